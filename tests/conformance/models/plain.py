"""Networks of PyTorch's own layers."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.export import Dim

from tests.conformance.models import Model, model

FREE = Dim.DYNAMIC


@model("mlp")
def mlp() -> Model:
    sizes = (784, 512, 256, 10)
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return Model(nn.Sequential(*layers[:-1]), (torch.randn(4, 784),), ({0: FREE},))


class Recommender(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Bags of embeddings and dense features, multiplied pairwise (after Naumov et al. 2019)."""

    def __init__(self, tables: int, rows: int, width: int, dense: int) -> None:
        super().__init__()
        self.bags = nn.ModuleList(nn.EmbeddingBag(rows, width, mode="sum") for _ in range(tables))
        self.bottom = nn.Sequential(nn.Linear(dense, 64), nn.ReLU(), nn.Linear(64, width), nn.ReLU())
        self.register_buffer("pairs", torch.tril_indices(tables + 1, tables + 1, -1))
        between = (tables + 1) * tables // 2
        self.top = nn.Sequential(nn.Linear(width + between, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid())

    def forward(self, dense: Tensor, chosen: Tensor) -> Tensor:
        bottom = self.bottom(dense)
        rows = [bottom, *(bag(chosen[:, i]) for i, bag in enumerate(self.bags))]
        features = torch.stack(rows, 1)
        products = features @ features.transpose(1, 2)
        return self.top(torch.cat([bottom, products[:, self.pairs[0], self.pairs[1]]], 1))


@model("dlrm")
def dlrm() -> Model:
    args = (torch.randn(4, 13), torch.randint(0, 1000, (4, 8, 5)))
    return Model(Recommender(8, 1000, 16, 13), args, ({0: FREE}, {0: FREE}))


class Tagger(nn.Module):  # type: ignore[misc]
    """A bidirectional LSTM of two layers and a classifier per step."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(32, 64, 2, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.recurrent(x)[0])


@model("lstm")
def lstm() -> Model:
    return Model(Tagger(), (torch.randn(2, 12, 32),), ({0: FREE},))
