"""A network that ranks: DLRM (Naumov et al., arXiv:1906.00091)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


class Dlrm(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Sums of looked-up rows and dense features, their products pair by pair, and a network on these.

    Takes dense features [batch, 13] and rows to look up [tables, batch, looked up]; gives [batch, 1].
    """

    def __init__(self, tables: int = 26, rows: int = 50000, width: int = 64) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(rows, width) for _ in range(tables))
        for table in self.tables:
            nn.init.normal_(table.weight, 0.0, 0.15)
        self.bottom = layers(13, 512, 256, width)
        pairs = torch.tril_indices(tables + 1, tables + 1, -1)
        self.register_buffer("pairs", pairs[0] * (tables + 1) + pairs[1])
        self.top = nn.Sequential(*layers(width + pairs.shape[1], 512, 256), nn.Linear(256, 1), nn.Sigmoid())

    def forward(self, dense: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        x = self.bottom(dense)
        looked_up = [table(rows[i]).sum(1) for i, table in enumerate(self.tables)]
        features = torch.stack([x, *looked_up], 1)
        products = (features @ features.transpose(1, 2)).flatten(1)[:, self.pairs]
        result: torch.Tensor = self.top(torch.cat([x, products], 1))
        return result


def layers(*widths: int) -> nn.Sequential:
    """Linear layers with rectifiers after them."""
    made: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        made += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*made)
