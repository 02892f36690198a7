"""Sampling of volumes at places that a grid gives, by neighbours along each dimension."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

_NEAREST, _ZEROS, _BORDER = 1, 0, 1
"""Numbers of PyTorch's modes; interpolation 0 is linear, padding 2 reflects."""


@decomposes(torch.ops.aten.grid_sampler_3d.default)
def grid_sampler_3d(x: Tensor, grid: Tensor, interpolation: int, padding: int, corners: bool) -> Tensor:
    """`x` [n, c, d, h, w] at `grid` [n, ..., 3], whose last dimension is (w, h, d) from -1 to 1."""
    sizes = x.shape[2:]
    if not all(isinstance(n, int) for n in sizes) or interpolation > _NEAREST:
        return NotImplemented
    places = [_place(grid[..., 2 - i], sizes[i], padding, corners) for i in range(3)]
    if interpolation == _NEAREST:
        return _pick(x, [p.round() for p in places])
    lows = [p.floor() for p in places]
    total = torch.zeros((), dtype=x.dtype)
    for corner in product((0, 1), repeat=3):
        weight = torch.ones((), dtype=x.dtype)
        for upper, place, low in zip(corner, places, lows, strict=True):
            weight = weight * ((place - low) if upper else (low + 1 - place))
        total = total + _pick(x, [low + upper for upper, low in zip(corner, lows, strict=True)]) * weight.unsqueeze(1)
    return total


def _place(position: Tensor, size: int, padding: int, corners: bool) -> Tensor:
    """A position from -1 to 1 as a place from 0 to size - 1, moved inside where padding asks for it."""
    place = (position + 1) / 2 * (size - 1) if corners else ((position + 1) * size - 1) / 2
    if padding == _ZEROS:
        return place
    if padding != _BORDER:
        place = _reflect(place, 0.0, size - 1.0) if corners else _reflect(place, -0.5, size - 0.5)
    return place.clamp(0.0, size - 1.0)


def _reflect(place: Tensor, low: float, high: float) -> Tensor:
    span = high - low
    if span <= 0:
        return torch.zeros_like(place)
    distance = (place - low).abs()
    rest, turns = torch.fmod(distance, span), (distance / span).floor()
    return torch.where(torch.remainder(turns, 2.0) == 0, rest + low, span - rest + low)


def _pick(x: Tensor, places: list[Tensor]) -> Tensor:
    """Elements at whole places [n, ...], 0 outside: [n, c, ...]."""
    flat = torch.zeros_like(places[0], dtype=torch.int64)
    inside = torch.ones_like(places[0], dtype=torch.bool)
    for place, size in zip(places, x.shape[2:], strict=True):
        inside = inside & (place >= 0) & (place < size)
        flat = flat * size + torch.where(inside, place, 0.0).to(torch.int64)
    index = torch.where(inside, flat, 0).reshape(x.shape[0], 1, -1).expand(-1, x.shape[1], -1)
    found = torch.gather(x.reshape(*x.shape[:2], -1), 2, index).reshape(*x.shape[:2], *places[0].shape[1:])
    return torch.where(inside.unsqueeze(1), found, 0.0)
