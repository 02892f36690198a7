"""Running sums, products, maxima along a dimension, by doubling: log2(n) steps over the whole tensor.

Hillis and Steele, Data parallel algorithms (1986).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten
Combine = Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]]


def scan(values: tuple[Tensor, ...], dim: int, combine: Combine) -> tuple[Tensor, ...]:
    """Inclusive scan of tensors of one shape with an associative `combine(earlier, later)`; the size must be known."""
    size, reach = values[0].shape[dim], 1
    while reach < size:
        heads = [v.narrow(dim, 0, reach) for v in values]
        earlier = tuple(v.narrow(dim, 0, size - reach) for v in values)
        later = tuple(v.narrow(dim, reach, size - reach) for v in values)
        values = tuple(torch.cat([h, v], dim) for h, v in zip(heads, combine(earlier, later), strict=True))
        reach *= 2
    return values


def _along(x: Tensor, dim: int) -> bool:
    """Whether there is anything to scan."""
    return x.ndim > 0 and x.numel() > 0 and isinstance(x.shape[dim], int)


@decomposes(aten.cumsum.default)
def cumsum(x: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Only scalars, which the wheel refuses; the rest is its own `scan`."""
    return _converted(x, dtype) if x.ndim == 0 else NotImplemented


@decomposes(aten.cumprod.default)
def cumprod(x: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    x = _converted(x, dtype)
    if not _along(x, dim):
        return x if x.ndim == 0 or isinstance(x.shape[dim], int) else NotImplemented
    return scan((x,), dim, lambda a, b: (a[0] * b[0],))[0]


@decomposes(aten.logcumsumexp.default)
def logcumsumexp(x: Tensor, dim: int) -> Tensor:
    if not _along(x, dim):
        return x.clone() if x.ndim == 0 or isinstance(x.shape[dim], int) else NotImplemented
    return scan((x,), dim, lambda a, b: (_log_add(a[0], b[0]),))[0]


def _log_add(a: Tensor, b: Tensor) -> Tensor:
    """log(exp(a) + exp(b)); the difference of equal infinities is not formed."""
    larger, smaller = torch.maximum(a, b), torch.minimum(a, b)
    apart = torch.where(smaller == larger, 0.0, smaller - larger)
    return larger + torch.log1p(torch.exp(apart))


@decomposes(aten.cummax.default)
def cummax(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    return _extremes(x, dim, torch.ge)


@decomposes(aten.cummin.default)
def cummin(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    return _extremes(x, dim, torch.le)


def _extremes(x: Tensor, dim: int, beats: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Values and their places; of equal values the last, and NaN beats all."""
    if not _along(x, dim):
        known = x.ndim == 0 or isinstance(x.shape[dim], int)
        return (x.clone(), torch.zeros_like(x, dtype=torch.int64)) if known else NotImplemented

    def combine(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        later = beats(b[0], a[0])
        if x.is_floating_point():
            later = later | b[0].isnan()
        return torch.where(later, b[0], a[0]), torch.where(later, b[1], a[1])

    after = [1] * (x.ndim - dim % x.ndim - 1)
    places = torch.arange(x.shape[dim]).reshape(-1, *after).expand(x.shape)
    values, indices = scan((x, places), dim, combine)
    return values, indices


def _converted(x: Tensor, dtype: Any) -> Tensor:
    """The operand in the result's dtype: integers sum and multiply as int64."""
    wanted = dtype or (x.dtype if x.dtype.is_floating_point else torch.int64)
    return x.to(wanted) if wanted != x.dtype else x.clone()
