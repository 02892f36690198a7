"""Medians, modes and distances."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten


def _extreme(x: Tensor, dim: int, keepdim: bool) -> Any:
    """Of a scalar along its dimension: itself, at place 0."""
    return (x.clone(), torch.zeros((), dtype=torch.int64)) if x.ndim == 0 else NotImplemented


decomposes(aten.max.dim, aten.min.dim)(lambda x, dim, keepdim=False: _extreme(x, dim, keepdim))


def _median(x: Tensor, dim: int, keepdim: bool, skip_nan: bool) -> tuple[Tensor, Tensor]:
    """The lower median and its place; NaN wins, or is left out."""
    if x.ndim == 0:
        return x.clone(), torch.zeros((), dtype=torch.int64)
    ordered, places = torch.sort(x, dim=dim)
    size = x.shape[dim]
    if not x.dtype.is_floating_point:
        at = torch.full_like(ordered.narrow(dim, 0, 1), (size - 1) // 2, dtype=torch.int64)
    else:
        missing = x.isnan().sum(dim, keepdim=True)
        middle = ((size - missing - 1) // 2).clamp(min=0)
        at = middle if skip_nan else torch.where(missing > 0, size - missing, torch.full_like(missing, (size - 1) // 2))
    value, place = torch.gather(ordered, dim, at), torch.gather(places, dim, at)
    return (value, place) if keepdim else (value.squeeze(dim), place.squeeze(dim))


@decomposes(aten.median.default)
def median(x: Tensor) -> Tensor:
    return _median(x.reshape(-1), 0, False, False)[0] if x.numel() else torch.full((), math.nan, dtype=x.dtype)


@decomposes(aten.median.dim)
def median_along(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    return _median(x, dim, keepdim, False)


@decomposes(aten.nanmedian.default)
def nanmedian(x: Tensor) -> Tensor:
    return _median(x.reshape(-1), 0, False, True)[0] if x.numel() else torch.full((), math.nan, dtype=x.dtype)


@decomposes(aten.nanmedian.dim)
def nanmedian_along(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    return _median(x, dim, keepdim, True)


@decomposes(aten.mode.default)
def mode(x: Tensor, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The most frequent value, of several the smallest, and its last place."""
    if x.ndim == 0:
        return x.clone(), torch.zeros((), dtype=torch.int64)
    rows = x.movedim(dim, -1)
    times = (rows.unsqueeze(-1) == rows.unsqueeze(-2)).sum(-1)
    is_most = times == times.amax(-1, keepdim=True)
    largest = math.inf if x.dtype.is_floating_point else torch.iinfo(x.dtype).max
    value = torch.where(is_most, rows, largest).amin(-1, keepdim=True)
    places = torch.arange(rows.shape[-1])
    place = torch.where(rows == value, places, -1).amax(-1, keepdim=True)
    value, place = value.movedim(-1, dim), place.movedim(-1, dim)
    return (value, place) if keepdim else (value.squeeze(dim), place.squeeze(dim))


def _norm(x: Tensor, p: float, dims: Any) -> Tensor:
    size = x.abs()
    if p == 0:
        return (size != 0).to(x.dtype).sum(dims)
    if p == 1:
        return size.sum(dims)
    if p == 2:
        return torch.sqrt((x * x).sum(dims))
    if math.isinf(p):
        return size.amax(dims) if p > 0 else size.amin(dims)
    return torch.pow(torch.pow(size, p).sum(dims), 1.0 / p)


@decomposes(aten._cdist_forward.default)
def cdist(a: Tensor, b: Tensor, p: float, mode: int | None = None) -> Tensor:
    if not a.shape[-1]:
        return (a.unsqueeze(-2) - b.unsqueeze(-3)).sum(-1)
    return _norm(a.unsqueeze(-2) - b.unsqueeze(-3), p, -1)


@decomposes(aten.dist.default)
def dist(a: Tensor, b: Tensor, p: float = 2) -> Tensor:
    difference = (a - b).reshape(-1)
    return _norm(difference, p, 0) if difference.numel() else difference.sum()


@decomposes(aten._pdist_forward.default)
def pdist(x: Tensor, p: float = 2) -> Tensor:
    """Distances of all pairs of rows, first against later ones."""
    pairs = torch.triu_indices(x.shape[0], x.shape[0], 1)
    if not pairs.shape[1] or not x.shape[1]:
        return torch.full((pairs.shape[1],), 0, dtype=x.dtype)
    return _norm(torch.index_select(x, 0, pairs[0]) - torch.index_select(x, 0, pairs[1]), p, -1)
