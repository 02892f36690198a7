"""Incomplete gamma functions, by the series below x = a + 1 and the continued fraction above it.

Abramowitz and Stegun, 6.5.29 and 6.5.31, the fraction evaluated by Lentz' method. Both converge in some 6 sqrt(a)
steps; there are `_STEPS`, which is enough for a up to 10,000. Relative error 1e-11.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.gamma import log_gamma
from stratagem.compiler.frontends.torch_ops.loops import repeat
from stratagem.compiler.frontends.torch_ops.registry import decomposes
from stratagem.compiler.frontends.torch_ops.series import in_float64

aten = torch.ops.aten
_STEPS = 600


@decomposes(aten.igamma.default)
@in_float64
def igamma(a: Tensor, x: Tensor) -> Tensor:
    return _both(a, x)[0]


@decomposes(aten.igammac.default)
@in_float64
def igammac(a: Tensor, x: Tensor) -> Tensor:
    return _both(a, x)[1]


def _both(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The lower and the upper function, which add up to 1."""
    a, x = torch.broadcast_tensors(a, x)
    valid = (a > 0) & (x > 0) & ~x.isinf() & ~a.isinf()
    inner_a, inner_x = torch.where(valid, a, 1.0), torch.where(valid, x, 1.0)
    is_low = inner_x < inner_a + 1
    scale = torch.exp(inner_a * torch.log(inner_x) - inner_x - log_gamma(inner_a))
    low = scale * _series(inner_a, torch.where(is_low, inner_x, inner_a))
    high = scale * _fraction(inner_a, torch.where(is_low, inner_a + 1, inner_x))
    lower = torch.where(is_low, low, 1 - high)
    upper = torch.where(is_low, 1 - low, high)
    return _edges(a, x, valid, lower, 1.0), _edges(a, x, valid, upper, 0.0)


def _edges(a: Tensor, x: Tensor, valid: Tensor, inside: Tensor, at_infinity: float) -> Tensor:
    """What the functions are where x or a is 0 or infinite, or negative: NaN."""
    full = (x.isinf() & ~a.isinf()) | ((a == 0) & (x > 0))
    empty = (x == 0) & (a > 0) | (a.isinf() & ~x.isinf())
    value = torch.where(full, at_infinity, torch.where(empty, 1 - at_infinity, math.nan))
    value = torch.where((a < 0) | (x < 0) | a.isnan() | x.isnan(), math.nan, value)
    return torch.where(valid, inside, value)


def _series(a: Tensor, x: Tensor) -> Tensor:
    def step(k: Tensor, total: Tensor, term: Tensor, a: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        term = term * x / (a + (k + 1))
        return total + term, term, a, x

    first = 1.0 / a
    return repeat(_STEPS, step, first, first.clone(), a, x)[0]


def _fraction(a: Tensor, x: Tensor) -> Tensor:
    def step(k: Tensor, value: Tensor, c: Tensor, d: Tensor, a: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        n = (k + 1).to(x.dtype)
        numerator, denominator = n * (a - n), x + (2 * n + 1) - a
        d = 1.0 / (denominator + numerator * d)
        c = denominator + numerator / c
        return value * c * d, c, d, a, x

    start = x + 1 - a
    large = torch.full_like(x, 1e300)
    return repeat(_STEPS, step, 1.0 / start, large, 1.0 / start, a, x)[0]
