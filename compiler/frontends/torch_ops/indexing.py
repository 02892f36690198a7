"""Reading and writing at places that other tensors name: all by `index_put`, `scatter_reduce` and `index_select`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten


def _grid(index: Tensor, dim: int) -> list[Tensor]:
    """The full coordinates of `x[..., index[i, j, k], ...]`: `index` for `dim`, positions for the other dimensions."""
    found = []
    for d, size in enumerate(index.shape):
        line = torch.arange(size).reshape(-1, *[1] * (index.ndim - d - 1))
        found.append(index if d == dim % index.ndim else line.expand(index.shape))
    return found


def _put(x: Tensor, dim: int, index: Tensor, values: Any, accumulate: bool) -> Tensor:
    if x.ndim == 0:
        return _put(x.reshape(1), 0, index.reshape(1), _one(values), accumulate).reshape(())
    index = index.reshape(1) if index.ndim == 0 else index
    if index.numel() == 0:
        return x.clone()
    if isinstance(values, torch.Tensor):
        values = values.reshape(1) if values.ndim == 0 else values
        values = values[tuple(slice(0, size) for size in index.shape)]
    else:
        values = torch.full(index.shape, values, dtype=x.dtype)
    return torch.ops.aten.index_put.default(x, _grid(index, dim), values.contiguous(), accumulate)


def _one(values: Any) -> Any:
    return values.reshape(1) if isinstance(values, torch.Tensor) else values


def _reduce(x: Tensor, dim: int, index: Tensor, values: Any, reduce: str) -> Tensor:
    if reduce == "add":
        return _put(x, dim, index, values, True)
    if not isinstance(values, torch.Tensor):
        values = torch.full(index.shape, values, dtype=x.dtype)
    return aten.scatter_reduce.two(x, dim, index, values, "prod")


@decomposes(aten.scatter.src)
def scatter(x: Tensor, dim: int, index: Tensor, values: Tensor) -> Tensor:
    return _put(x, dim, index, values, False)


@decomposes(aten.scatter.value)
def scatter_value(x: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    return _put(x, dim, index, value, False)


@decomposes(aten.scatter.reduce)
def scatter_reduced(x: Tensor, dim: int, index: Tensor, values: Tensor, *, reduce: str) -> Tensor:
    return _reduce(x, dim, index, values, reduce)


@decomposes(aten.scatter.value_reduce)
def scatter_value_reduced(x: Tensor, dim: int, index: Tensor, value: Any, *, reduce: str) -> Tensor:
    return _reduce(x, dim, index, value, reduce)


@decomposes(aten.scatter_add.default)
def scatter_add(x: Tensor, dim: int, index: Tensor, values: Tensor) -> Tensor:
    return _put(x, dim, index, values, True)


@decomposes(aten.scatter_reduce.two)
def scatter_mean(
    x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Sums and means; the other reductions are the wheel's."""
    if reduce not in ("sum", "mean"):
        return NotImplemented
    one = torch.ones_like(source, dtype=x.dtype)
    count = _put(torch.zeros_like(x), dim, index, one, True)
    start = x if include_self else torch.where(count > 0, torch.zeros_like(x), x)
    total = _put(start, dim, index, source, True)
    if reduce == "sum":
        return total
    count = (count + 1 if include_self else count).clamp(min=1)
    return total / count if x.dtype.is_floating_point else torch.div(total, count, rounding_mode="floor")


@decomposes(aten.index_reduce.default)
def index_reduce(
    x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    if x.ndim == 0:
        found = index_reduce(x.reshape(1), 0, index, source.reshape(1), reduce, include_self=include_self)
        return found.reshape(())
    after = [1] * (x.ndim - dim % x.ndim - 1)
    whole = index.reshape(-1, *after).expand(source.shape)
    return aten.scatter_reduce.two(x, dim, whole, source, reduce, include_self=include_self)


@decomposes(aten.take.default)
def take(x: Tensor, index: Tensor) -> Tensor:
    """Elements by their place in row-major order; negative places count from the end."""
    flat, places = x.reshape(-1), index.reshape(-1)
    places = torch.where(places < 0, places + flat.shape[0], places)
    return torch.index_select(flat, 0, places).reshape(index.shape)


@decomposes(aten.put.default)
def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    flat, places = x.reshape(-1), index.reshape(-1)
    places = torch.where(places < 0, places + flat.shape[0], places)
    return _put(flat, 0, places, source.reshape(-1), accumulate).reshape(x.shape)


@decomposes(aten.searchsorted.Tensor)
def searchsorted(
    ordered: Tensor,
    values: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """How many elements of a row of `ordered` come before each value: by comparing all."""
    if sorter is not None:
        ordered = torch.gather(ordered, -1, sorter)
    rows, columns = ordered.unsqueeze(-2), values.reshape(-1, 1) if ordered.ndim == 1 else values.unsqueeze(-1)
    after = rows > columns if right or side == "right" else rows >= columns
    return (~after).sum(-1).reshape(values.shape).to(torch.int32 if out_int32 else torch.int64)


@decomposes(aten.searchsorted.Scalar)
def searchsorted_scalar(ordered: Tensor, value: Any, **options: Any) -> Tensor:
    return aten.searchsorted.Tensor(ordered, torch.full((), value, dtype=ordered.dtype), **options)


@decomposes(aten.diagonal_scatter.default)
def diagonal_scatter(x: Tensor, source: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    moved = x.movedim((dim1, dim2), (-2, -1))
    rows, columns = torch.arange(moved.shape[-2]).unsqueeze(-1), torch.arange(moved.shape[-1])
    if not source.shape[-1]:
        return x.clone()
    place = (rows if offset >= 0 else columns).expand(moved.shape[-2:]).clamp(max=source.shape[-1] - 1)
    spread = torch.index_select(source, -1, place.reshape(-1)).reshape(moved.shape)
    return torch.where(columns - rows == offset, spread, moved).movedim((-2, -1), (dim1, dim2)).contiguous()


@decomposes(aten.as_strided_scatter.default)
def as_strided_scatter(
    x: Tensor, source: Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None = None
) -> Tensor:
    """Of a row-major `x`; other orders in memory stay."""
    if not x.is_contiguous():
        return NotImplemented
    places = torch.full(tuple(size), offset or 0, dtype=torch.int64)
    for d, (count, step) in enumerate(zip(size, stride, strict=True)):
        places = places + (torch.arange(count) * step).reshape(-1, *[1] * (len(size) - d - 1))
    return _put(x.reshape(-1), 0, places.reshape(-1), source.reshape(-1), False).reshape(x.shape)


@decomposes(aten.nonzero_static.default)
def nonzero_static(x: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The places of the first `size` elements that are not 0, in row-major order: [size, rank]."""
    if x.ndim == 0 or not x.numel() or not size:
        return NotImplemented if x.ndim == 0 else torch.full((size, x.ndim), fill_value, dtype=torch.int64)
    hit = (x != 0).reshape(-1)
    rank = torch.where(hit, hit.to(torch.int64).cumsum(0) - 1, size).clamp(max=size)
    flat = _put(torch.full((size + 1,), -1, dtype=torch.int64), 0, rank, torch.arange(x.numel()), False)[:size]
    found = flat.unsqueeze(-1)
    steps = [math.prod(x.shape[d + 1 :]) for d in range(x.ndim)]
    columns = [found // step % n for step, n in zip(steps, x.shape, strict=True)]
    return torch.where(found < 0, fill_value, torch.cat(columns, -1))
