"""Operators on the parts of floating-point numbers, by their bits."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten
_INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64}
_MANTISSA = {torch.float32: 23, torch.float64: 52}
_HALF = {torch.float32: 126, torch.float64: 1022}
"""The exponent field of 1/2."""


@decomposes(aten.frexp.Tensor)
def frexp(x: Tensor) -> Any:
    """Fraction of size [1/2, 1) and exponent (int32); 0, NaN and infinities have exponent 0."""
    if x.dtype not in _INTEGERS:
        return NotImplemented
    bits, width = _INTEGERS[x.dtype], _MANTISSA[x.dtype]
    half = _HALF[x.dtype]
    tiny = x.abs() < torch.finfo(x.dtype).smallest_normal
    scaled = torch.where(tiny, x * 2.0**width, x)
    pattern = scaled.view(bits)
    field = (pattern >> width) & (2 * half + 3)
    mantissa = pattern - ((field - half) << width)
    plain = (x == 0) | ~torch.isfinite(x)
    exponent = torch.where(plain, 0, field - half - torch.where(tiny, width, 0))
    return torch.where(plain, x, mantissa.view(x.dtype)), exponent.to(torch.int32)


@decomposes(aten.nextafter.default)
def nextafter(x: Tensor, y: Tensor) -> Tensor:
    if x.dtype not in _INTEGERS or x.dtype != y.dtype:
        return NotImplemented
    x, y = torch.broadcast_tensors(x, y)
    bits = x.contiguous().view(_INTEGERS[x.dtype])
    away = (y > x) == (x > 0)
    moved = torch.where(away, bits + 1, bits - 1).view(x.dtype)
    smallest = torch.full((), torch.finfo(x.dtype).smallest_normal * torch.finfo(x.dtype).eps, dtype=x.dtype)
    value = torch.where(x == 0, torch.where(y > 0, smallest, -smallest), moved)
    value = torch.where(x == y, y, value)
    return torch.where(x.isnan() | y.isnan(), math.nan, value)
