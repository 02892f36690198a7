"""The scaled complementary error function, and the inverses of the error function and of the normal distribution.

erfcx: the series of exp(x^2) erf(x) below 3 (Abramowitz and Stegun, 7.1.6), above it the integral of
exp(-t^2) / (x^2 + t^2) by the trapezoidal rule. The inverses: Newton's method on the logarithm of the distribution,
which is concave, so that it converges from any start. Relative error 1e-11.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes
from stratagem.compiler.frontends.torch_ops.series import in_float64, polynomial

aten = torch.ops.aten


def _erfcx_right(x: Tensor) -> Tensor:
    """exp(x^2) erfc(x) for x >= 0."""
    near = x.clamp(max=3.0)
    terms = [1.0]
    for k in range(1, 64):
        terms.append(terms[-1] * 2 / (2 * k + 1))
    close = torch.exp(near * near) - 2 / math.sqrt(math.pi) * near * polynomial(near * near, terms)
    far = x.clamp(3.0, 1e150)  # the square of more overflows
    square, step = far * far, 0.5
    total = 0.5 / square
    for k in range(1, 13):
        total = total + math.exp(-((k * step) ** 2)) / (square + (k * step) ** 2)
    return torch.where(x < 3.0, close, 2 * step / math.pi * far * total)


def _erfcx(x: Tensor) -> Tensor:
    right = _erfcx_right(x.abs())
    value = torch.where(x < 0, 2 * torch.exp(x * x) - right, right)
    return torch.where(x == math.inf, 0.0, value)


def _log_ndtr(x: Tensor) -> Tensor:
    """The logarithm of the normal distribution function."""
    scaled = _erfcx_right(x.abs() / math.sqrt(2))
    tail = 0.5 * scaled * torch.exp(-x * x / 2)
    return torch.where(x < 0, torch.log(scaled / 2) - x * x / 2, torch.log1p(-tail))


def _ndtri_left(p: Tensor) -> Tensor:
    """The x <= 0 with normal distribution function p, 0 < p <= 1/2."""
    goal = torch.log(p)
    x = -torch.sqrt((-2 * goal - math.log(4)).clamp(min=0.0))  # right at p = 1/2 and far out
    for _ in range(5):
        scaled = _erfcx_right(-x / math.sqrt(2))
        value = torch.log(scaled / 2) - x * x / 2
        x = (x - (value - goal) * scaled * math.sqrt(math.pi / 2)).clamp(max=0.0)
    return x


@decomposes(aten.erfc.default)
@in_float64
def erfc(x: Tensor) -> Tensor:
    tail = torch.exp(-x * x) * _erfcx_right(x.abs().clamp(max=30.0))
    return torch.where(x < 0, 2 - tail, tail)


@decomposes(aten.special_erfcx.default)
@in_float64
def erfcx(x: Tensor) -> Tensor:
    return _erfcx(x)


@decomposes(aten.special_log_ndtr.default)
@in_float64
def log_ndtr(x: Tensor) -> Tensor:
    return _log_ndtr(x)


@decomposes(aten.special_ndtri.default)
@in_float64
def ndtri(p: Tensor) -> Tensor:
    tail = torch.where(p < 0.5, p, 1 - p)
    inside = (p > 0) & (p < 1)
    value = _ndtri_left(torch.where(inside, tail, 0.5))
    value = torch.where(p < 0.5, value, -value)
    edge = torch.where(p == 0, -math.inf, torch.where(p == 1, math.inf, math.nan))
    return torch.where(inside, value, edge)


@decomposes(aten.erfinv.default)
@in_float64
def erfinv(y: Tensor) -> Tensor:
    size = y.abs()
    far = -_ndtri_left(torch.where(size < 1, (1 - size) / 2, 0.5)) / math.sqrt(2) * y.sign()
    near = math.sqrt(math.pi) / 2 * y * (1 + math.pi / 12 * y * y)
    value = torch.where(size < 1e-4, near, far)
    edge = torch.where(size == 1, math.inf * y.sign(), math.nan)
    return torch.where(size < 1, value, edge)
