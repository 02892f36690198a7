"""Elementwise operators, and a few that PyTorch itself decomposes but the wheel's table leaves out."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch._decomp import decomposition_table

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten
_THEIRS = (
    aten._batch_norm_no_update.default,
    aten._batch_norm_with_update_functional.default,
    aten.addmv.default,
)

for _operator in _THEIRS:
    decomposes(_operator)(decomposition_table[_operator])


def _with_number(operator: Any) -> Any:
    def rule(x: Tensor, number: Any) -> Tensor:
        dtype = torch.int64 if x.dtype is torch.bool and not isinstance(number, bool) else x.dtype
        return operator(x.to(dtype), torch.full((), number, dtype=dtype))

    return rule


for _scalar, _tensor in (
    (aten.bitwise_and.Scalar, aten.bitwise_and.Tensor),
    (aten.bitwise_or.Scalar, aten.bitwise_or.Tensor),
    (aten.bitwise_xor.Scalar, aten.bitwise_xor.Tensor),
):
    decomposes(_scalar)(_with_number(_tensor))


@decomposes(aten.isfinite.default)
def isfinite(x: Tensor) -> Tensor:
    if not x.dtype.is_floating_point:
        return torch.ones_like(x, dtype=torch.bool)
    return x.abs() < math.inf


@decomposes(aten.angle.default)
def angle(x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        return NotImplemented
    value = torch.where(x < 0, math.pi, 0.0).to(x.dtype if x.dtype.is_floating_point else torch.get_default_dtype())
    return torch.where(x.isnan(), x, value) if x.dtype.is_floating_point else value


@decomposes(aten.hypot.default)
def hypot(a: Tensor, b: Tensor) -> Tensor:
    """sqrt(a^2 + b^2), scaled so that the squares do not overflow."""
    a, b = torch.broadcast_tensors(a.abs(), b.abs())
    large, small = torch.maximum(a, b), torch.minimum(a, b)
    ratio = torch.where(large == 0, 0.0, small / torch.where(large == 0, 1.0, large))
    value = large * torch.sqrt(1 + ratio * ratio)
    return torch.where(a.isinf() | b.isinf(), math.inf, value)


@decomposes(aten.fmax.default)
def fmax(a: Tensor, b: Tensor) -> Tensor:
    return _past_nan(a, b, torch.maximum)


@decomposes(aten.fmin.default)
def fmin(a: Tensor, b: Tensor) -> Tensor:
    return _past_nan(a, b, torch.minimum)


def _past_nan(a: Tensor, b: Tensor, choose: Any) -> Tensor:
    """Of a number and NaN the number."""
    a, b = torch.broadcast_tensors(a, b)
    if not (a.dtype.is_floating_point or b.dtype.is_floating_point):
        return choose(a, b)
    dtype = torch.promote_types(a.dtype, b.dtype)
    a, b = a.to(dtype), b.to(dtype)
    return torch.where(a.isnan(), b, torch.where(b.isnan(), a, choose(a, b)))
