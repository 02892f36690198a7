"""The logarithm of the gamma function and what derives from it, by asymptotic series after a shift of the argument.

Series: Abramowitz and Stegun, Handbook of Mathematical Functions, 6.1.41, 6.3.18, 6.4.10; reflection 6.1.17, 6.3.7;
zeta by Euler's and Maclaurin's formula (NIST Digital Library of Mathematical Functions, 25.11.5). Relative error 1e-13,
near a zero of the function absolute.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes
from stratagem.compiler.frontends.torch_ops.series import in_float64, polynomial

aten = torch.ops.aten
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330
)  # fmt: skip
"""B2, B4, B6 ... B20."""
_SHIFT = 12


def log_gamma(x: Tensor) -> Tensor:
    """log |gamma(x)| in float64, infinite at 0, -1, -2 ..."""
    below = x < 0.5
    value = _log_gamma_right(torch.where(below, 1 - x, x))
    angle = math.pi * (x - x.round())
    reflected = math.log(math.pi) - torch.log(torch.sin(angle).abs()) - value
    value = torch.where(below, reflected, value)
    return torch.where((below & (x == x.floor())) | x.isinf(), math.inf, value)


def _log_gamma_right(x: Tensor) -> Tensor:
    near = x.clamp(max=float(_SHIFT))
    product = near
    for k in range(1, _SHIFT):
        product = product * (near + k)
    is_near = x < _SHIFT
    z = torch.where(is_near, x + _SHIFT, x)
    inverse = 1.0 / z
    terms = [b / (2 * j * (2 * j - 1)) for j, b in enumerate(_BERNOULLI, 1)]
    value = (z - 0.5) * torch.log(z) - z + 0.5 * math.log(2 * math.pi) + inverse * polynomial(inverse**2, terms)
    return torch.where(is_near, value - torch.log(product), value)


def _digamma(x: Tensor) -> Tensor:
    below = x < 0.5
    y = torch.where(below, 1 - x, x)
    near = y.clamp(max=float(_SHIFT))
    total = 1.0 / near
    for k in range(1, _SHIFT):
        total = total + 1.0 / (near + k)
    is_near = y < _SHIFT
    z = torch.where(is_near, y + _SHIFT, y)
    square = 1.0 / (z * z)
    terms = [b / (2 * j) for j, b in enumerate(_BERNOULLI, 1)]
    value = torch.log(z) - 0.5 / z - square * polynomial(square, terms)
    value = torch.where(is_near, value - total, value)
    value = torch.where(below, value - math.pi / torch.tan(math.pi * (x - x.round())), value)
    at_pole = torch.where(x == 0, -1.0 / x, math.nan)
    return torch.where(below & (x == x.floor()), at_pole, value)


def zeta(s: Tensor, q: Tensor) -> Tensor:
    """Hurwitz' zeta function, the sum of (q + k)^(-s) over k >= 0; below q = 0 for whole s only."""
    s, q = torch.broadcast_tensors(s, q)
    negative = (-q).ceil().clamp(min=0.0)  # so many terms have q + k < 0; their sizes are sums over positive places
    is_left = q < 0
    ends = [torch.where(is_left, -q - negative + 1, 1.0), torch.where(is_left, 1 - q, 1.0)]
    right, first, after = _zeta_right(s, torch.stack([torch.where(q > 0, q, q + negative), *ends])).unbind(0)
    sign = 1 - 2 * torch.remainder(s, 2.0)
    left = torch.where(q == q.floor(), math.inf, torch.where(s == s.floor(), sign * (first - after) + right, math.nan))
    value = torch.where(q > 0, right, left)
    return torch.where(s > 1, value, torch.where(s == 1, math.inf, math.nan))


def _zeta_right(s: Tensor, q: Tensor) -> Tensor:
    total = torch.pow(q, -s)
    for k in range(1, _SHIFT):
        total = total + torch.pow(q + k, -s)
    end = q + _SHIFT
    last = torch.pow(end, -s)
    total = total + last * end / (s - 1) + 0.5 * last
    factor = last * s / end
    for j, bernoulli in enumerate(_BERNOULLI, 1):
        total = total + factor * (bernoulli / math.factorial(2 * j))
        factor = factor * (s + (2 * j - 1)) * (s + 2 * j) / (end * end)
    return total


@decomposes(aten.lgamma.default)
@in_float64
def lgamma(x: Tensor) -> Tensor:
    return log_gamma(x)


@decomposes(aten.digamma.default)
@in_float64
def digamma(x: Tensor) -> Tensor:
    return _digamma(x)


@decomposes(aten.special_zeta.default)
@in_float64
def special_zeta(s: Tensor, q: Tensor) -> Tensor:
    return zeta(s, q)


@decomposes(aten.special_zeta.other_scalar)
@in_float64
def special_zeta_of_number(s: Tensor, q: Any) -> Tensor:
    return zeta(s, torch.full_like(s, q))


@decomposes(aten.special_zeta.self_scalar)
@in_float64
def special_zeta_with_number(s: Any, q: Tensor) -> Tensor:
    return zeta(torch.full_like(q, s), q)


@decomposes(aten.polygamma.default)
def polygamma(order: int, x: Tensor) -> Tensor:
    """The derivative of order `order` of digamma."""
    if order == 0:
        return torch.digamma(x)
    factor = (-1.0) ** (order + 1) * math.factorial(order)
    return in_float64(lambda y: zeta(torch.full_like(y, order + 1.0), y) * factor)(x)
