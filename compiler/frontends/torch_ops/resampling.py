"""Resizing with anti-aliasing, as a product with a matrix of weights along each dimension; pooling without a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0.0)


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -1/2."""
    size = x.abs()
    inner = (1.5 * size - 2.5) * size * size + 1
    outer = ((-0.5 * size + 2.5) * size - 4) * size + 2
    return torch.where(size < 1, inner, torch.where(size < 2, outer, 0.0))


def _weights(before: int, after: int, corners: bool, factor: float | None, kernel: Any, reach: int) -> Tensor:
    """[after, before]: how much each element counts for each result; rows add up to 1."""
    if corners:
        scale = (before - 1) / (after - 1) if after > 1 else 0.0
    else:
        scale = 1 / factor if factor else before / after
    stretch = max(scale, 1.0)
    center = (scale * (torch.arange(after, dtype=torch.float64) + 0.5)).unsqueeze(-1)
    place = torch.arange(before, dtype=torch.float64)
    first, last = (center - reach * stretch + 0.5).floor(), (center + reach * stretch + 0.5).floor()
    weights = torch.where((place >= first) & (place < last), kernel((place - center + 0.5) / stretch), 0.0)
    return weights / weights.sum(-1, keepdim=True)


def _resized(x: Tensor, size: Sequence[int], corners: bool, factors: Sequence[Any], kernel: Any, reach: int) -> Tensor:
    for dim, after, factor in zip((-2, -1), size, factors, strict=True):
        matrix = _weights(x.shape[dim], after, corners, factor, kernel, reach).to(x.dtype)
        x = matrix @ x if dim == -2 else x @ matrix.mT
    return x


def _anti_aliased(kernel: Callable[[Tensor], Tensor], reach: int) -> Callable[..., Tensor]:
    def rule(x: Tensor, size: Sequence[int], corners: bool, high: Any = None, wide: Any = None) -> Tensor:
        known = all(isinstance(n, int) for n in (*x.shape[-2:], *size))
        return _resized(x, size, corners, (high, wide), kernel, reach) if known else NotImplemented

    return rule


decomposes(aten._upsample_bilinear2d_aa.default)(_anti_aliased(_triangle, 1))
decomposes(aten._upsample_bicubic2d_aa.default)(_anti_aliased(_cubic, 2))


@decomposes(aten.max_pool2d_with_indices.default)
def max_pool2d_with_indices(x: Tensor, *options: Any) -> Any:
    if x.ndim == 4:
        return NotImplemented
    value, places = aten.max_pool2d_with_indices.default(x.unsqueeze(0), *options)
    return value.squeeze(0), places.squeeze(0)


@decomposes(aten.adaptive_max_pool2d.default)
def adaptive_max_pool2d(x: Tensor, size: Sequence[int]) -> Any:
    if x.ndim == 4:
        return NotImplemented
    value, places = aten.adaptive_max_pool2d.default(x.unsqueeze(0), size)
    return value.squeeze(0), places.squeeze(0)


@decomposes(aten.max_pool3d_with_indices.default)
def max_pool3d_with_indices(x: Tensor, *options: Any) -> Any:
    if x.ndim == 5:
        return NotImplemented
    value, places = aten.max_pool3d_with_indices.default(x.unsqueeze(0), *options)
    return value.squeeze(0), places.squeeze(0)
