"""The softmax of attention, which gives zeros for a row of minus infinities."""

from __future__ import annotations

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten


@decomposes(aten._safe_softmax.default)
def safe_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Without a look at each element: less a finite number, minus infinity is the exponent of 0, and the sum of any
    other row is 1 or more."""
    kind = x.dtype if dtype is None else dtype
    wide = x.to(torch.promote_types(kind, torch.float32))
    powers = torch.exp(wide - _at_least(wide.amax(dim, keepdim=True), torch.finfo(wide.dtype).min))
    return (powers / _at_least(powers.sum(dim, keepdim=True), 1.0)).to(kind)


def _at_least(x: Tensor, bound: float) -> Tensor:
    """The larger one; NaN where x is, which the lowering of `maximum` forgets."""
    return x.masked_fill(x < bound, bound)
