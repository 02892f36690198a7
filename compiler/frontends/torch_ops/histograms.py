"""Counts of elements by bins, each element compared with all bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten


def _count(x: Tensor, bins: int, low: Tensor, high: Tensor, weight: Tensor | None) -> Tensor:
    """How many elements of `x` (of any shape) lie in each of `bins` equal parts of [low, high], or their weight."""
    x = x.reshape(-1)
    part = ((x - low) / (high - low) * bins).floor().clamp(max=bins - 1)
    inside = (x >= low) & (x <= high)
    hit = inside.unsqueeze(-1) & (part.unsqueeze(-1) == torch.arange(bins, dtype=x.dtype))
    one = torch.ones_like(x) if weight is None else weight.reshape(-1)
    return torch.where(hit, one.unsqueeze(-1), 0.0).sum(0)


def _limits(x: Tensor, low: float, high: float, margin: float = 0.5) -> tuple[Tensor, Tensor]:
    """The range of bins: that of the data where both ends are the same, and `margin` around them where it is empty."""
    first, last = torch.full((), low, dtype=x.dtype), torch.full((), high, dtype=x.dtype)
    if low == high and x.numel():
        first, last = x.amin(), x.amax()
    return torch.where(first == last, first - margin, first), torch.where(first == last, last + margin, last)


def _edges(first: Tensor, last: Tensor, bins: int, dtype: torch.dtype) -> Tensor:
    places = torch.arange(bins + 1, dtype=dtype)
    return torch.where(places == bins, last, first + places * ((last - first) / bins))


@decomposes(aten.histc.default)
def histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    if not x.dtype.is_floating_point:
        return NotImplemented
    return _count(x, bins, *_limits(x, min, max, 1.0), None)


@decomposes(aten.histogram.bin_ct)
def histogram(
    x: Tensor, bins: int = 100, *, range: Sequence[float] | None = None, weight: Any = None, density: bool = False
) -> tuple[Tensor, Tensor]:
    first, last = _limits(x, *(range or (0.0, 0.0)))
    edges = _edges(first, last, bins, x.dtype)
    counts = _count(x, bins, first, last, weight)
    return counts / (counts.sum() * (edges[1:] - edges[:-1])) if density else counts, edges


@decomposes(aten.histogram.bins_tensor)
def histogram_between(x: Tensor, edges: Tensor, *, weight: Any = None, density: bool = False) -> tuple[Tensor, Tensor]:
    x = x.reshape(-1, 1)
    above = torch.where(torch.arange(edges.shape[0] - 1) == edges.shape[0] - 2, x <= edges[1:], x < edges[1:])
    one = torch.ones_like(x) if weight is None else weight.reshape(-1, 1)
    counts = torch.where((x >= edges[:-1]) & above, one, 0.0).sum(0)
    return counts / (counts.sum() * (edges[1:] - edges[:-1])) if density else counts, edges.clone()


def _ranges(x: Tensor, limits: Sequence[float] | None) -> list[tuple[Tensor, Tensor]]:
    pairs = list(zip(limits[::2], limits[1::2], strict=True)) if limits else [(0.0, 0.0)] * x.shape[-1]
    return [_limits(x[..., i], *pair) for i, pair in enumerate(pairs)]


@decomposes(aten._histogramdd_from_bin_tensors.default)
def histogramdd_between(x: Tensor, bins: Sequence[Tensor], *, weight: Any = None, density: bool = False) -> Tensor:
    hit = torch.ones((), dtype=torch.bool)
    for i, edges in enumerate(bins):
        column = x[..., i].reshape(-1, 1)
        is_last = torch.arange(edges.shape[0] - 1) == edges.shape[0] - 2
        inside = (column >= edges[:-1]) & torch.where(is_last, column <= edges[1:], column < edges[1:])
        hit = hit.unsqueeze(-1) & inside.reshape(column.shape[0], *[1] * i, -1)
    one = torch.ones_like(x[..., 0].reshape(-1)) if weight is None else weight.reshape(-1)
    counts = torch.where(hit, one.reshape(-1, *[1] * len(bins)), 0.0).sum(0)
    return counts / (counts.sum() * _volume(bins)) if density else counts


def _volume(bins: Sequence[Tensor]) -> Tensor:
    total = torch.ones((), dtype=bins[0].dtype)
    for edges in bins:
        total = total.unsqueeze(-1) * (edges[1:] - edges[:-1])
    return total


@decomposes(aten._histogramdd_bin_edges.default)
def histogramdd_edges(
    x: Tensor, bins: Sequence[int], *, range: Sequence[float] | None = None, weight: Any = None, density: bool = False
) -> list[Tensor]:
    return [_edges(first, last, n, x.dtype) for (first, last), n in zip(_ranges(x, range), bins, strict=True)]


@decomposes(aten._histogramdd_from_bin_cts.default)
def histogramdd_counts(
    x: Tensor, bins: Sequence[int], *, range: Sequence[float] | None = None, weight: Any = None, density: bool = False
) -> Tensor:
    place, inside = torch.zeros((), dtype=x.dtype), torch.ones((), dtype=torch.bool)
    for i, ((first, last), n) in enumerate(zip(_ranges(x, range), bins, strict=True)):
        column = x[..., i].reshape(-1)
        inside = inside & (column >= first) & (column <= last)
        place = place * n + ((column - first) / (last - first) * n).floor().clamp(max=n - 1)
    hit = inside.unsqueeze(-1) & (place.unsqueeze(-1) == torch.arange(math.prod(bins), dtype=x.dtype))
    one = torch.ones_like(x[..., 0].reshape(-1)) if weight is None else weight.reshape(-1)
    counts = torch.where(hit, one.unsqueeze(-1), 0.0).sum(0).reshape(tuple(bins))
    return counts / (counts.sum() * _volume(histogramdd_edges(x, bins, range=range))) if density else counts
