"""Sorting floats: by integers in the same order, in which NaN is the largest and 0 equals -0.

The wheel's own comparison of floats leaves NaN where it is, and with it what stands around it out of order.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten
_BITS = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


def order_key(x: Tensor) -> Tensor:
    """Signed integers that compare as the floats of `x`, NaN above all."""
    bits = torch.where(x.isnan(), float("nan"), torch.where(x == 0, 0.0, x)).to(x.dtype).view(_BITS[x.dtype])
    return torch.where(bits < 0, bits ^ torch.iinfo(bits.dtype).max, bits)


@decomposes(aten.sort.default)
def sort(x: Tensor, dim: int = -1, descending: bool = False) -> Any:
    if x.ndim == 0:
        return x.clone(), torch.zeros((), dtype=torch.int64)
    if x.dtype not in _BITS:
        return NotImplemented
    _, places = aten.sort.default(order_key(x), dim, descending)
    return torch.gather(x, dim, places), places


@decomposes(aten.sort.stable)
def stable_sort(x: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """The wheel's sort is stable."""
    return aten.sort.default(x, dim, descending)
