"""Single operators as modules."""

from __future__ import annotations

import torch
from torch import nn


class MatMul(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A product of two inputs: neither can be packed before the run."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b


class MatVec(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A constant matrix times a column."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size, size) / size**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight @ x


class Attention(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Scaled dot-product attention without a mask."""

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(query, key, value)
