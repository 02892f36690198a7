"""Sums, means and maxima of rows of a table, bag by bag: the wheel's own gives wrong values for some forms."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten
_MEAN, _MAX = 1, 2


@decomposes(
    aten.embedding_bag.padding_idx,
    aten.embedding_bag.default,
    aten._embedding_bag.default,
    aten._embedding_bag_forward_only.default,
)
def embedding_bag(
    table: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = -1,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The bags [b, d], the bag of each index, sizes of bags, and (for maxima) zeros: only gradients read those."""
    starts = offsets[:-1] if include_last_offset else offsets
    count, width = starts.shape[0], table.shape[1]
    bag = (starts.unsqueeze(0) <= torch.arange(indices.shape[0]).unsqueeze(-1)).sum(-1) - 1
    skipped = padding_idx if padding_idx is None or padding_idx >= 0 else padding_idx + table.shape[0]
    kept = torch.ones_like(indices, dtype=torch.bool)
    if padding_idx is not None and padding_idx != -1:
        kept = indices != skipped
    rows = torch.index_select(table, 0, indices)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    rows = torch.where(kept.unsqueeze(-1), rows, -math.inf if mode == _MAX else 0.0)
    sizes = aten.index_put.default(torch.zeros((count,), dtype=torch.int64), [bag], kept.to(torch.int64), True)
    return _reduced(rows, bag, sizes, mode, width), bag, sizes, torch.zeros_like(sizes)


def _reduced(rows: Tensor, bag: Tensor, sizes: Tensor, mode: int, width: Any) -> Tensor:
    count = sizes.shape[0]
    if mode == _MAX:
        low = torch.full((count, width), -math.inf, dtype=rows.dtype)
        found = aten.scatter_reduce.two(low, 0, bag.unsqueeze(-1).expand(rows.shape), rows, "amax")
        return torch.where((sizes > 0).unsqueeze(-1), found, 0.0)
    total = aten.index_put.default(torch.zeros((count, width), dtype=rows.dtype), [bag], rows, True)
    return total / sizes.clamp(min=1).unsqueeze(-1) if mode == _MEAN else total
