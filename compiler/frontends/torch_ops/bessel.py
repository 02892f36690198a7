"""Bessel functions of order 0 and 1, and what is made of them: power series near 0, asymptotic series far from it.

Both are in Abramowitz and Stegun, Handbook of Mathematical Functions, chapter 9: series 9.1.10 to 9.1.13, 9.6.10 to
9.6.13, asymptotic 9.2.5, 9.2.6, 9.7.1, 9.7.2, integral 9.6.24. Relative to the amplitude of the function results are
within 1e-10, those of I within 1e-14. J and Y of infinities are NaN, as in PyTorch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes
from stratagem.compiler.frontends.torch_ops.series import EULER, harmonic, in_float64, polynomial

aten = torch.ops.aten
_FAR = 12.0
"""Where the error of the power series, e^x ulp, meets that of the asymptotic one, e^(-2x)."""
_TERMS = 40


def _power(quarter: Tensor, order: int, sign: int) -> Tensor:
    """Sum of (sign x^2 / 4)^k / (k! (k + order)!)."""
    terms = [sign**k / (math.factorial(k) * math.factorial(k + order)) for k in range(_TERMS)]
    return polynomial(quarter, terms)


def _hankel(order: int, count: int) -> list[float]:
    """The coefficients a_k of the asymptotic series in 1/x."""
    found = [1.0]
    for k in range(1, count):
        found.append(found[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    return found


def _far_wave(x: Tensor, order: int, shift: float) -> Tensor:
    """sqrt(2 / (pi x)) times the cosine of the phase minus `shift`: J for 0, Y for pi / 2; x is at least _FAR."""
    terms = _hankel(order, 24)
    inverse = 1.0 / x
    square = -inverse * inverse
    even, odd = polynomial(square, terms[::2]), polynomial(square, terms[1::2]) * inverse
    phase = x - (order / 2 + 0.25) * math.pi - shift
    return torch.sqrt(2.0 / math.pi * inverse) * (even * torch.cos(phase) - odd * torch.sin(phase))


def _j(x: Tensor, order: int) -> Tensor:
    size = x.abs()
    near = size.clamp(max=_FAR)
    value = torch.where(
        size < _FAR,
        _power(near * near / 4, order, -1) * (near / 2) ** order,
        _far_wave(size.clamp(min=_FAR), order, 0.0),
    )
    return value * x.sign() if order else value


def _y(x: Tensor, order: int) -> Tensor:
    near = x.clamp(1e-300, _FAR)
    quarter, log = near * near / 4, torch.log(near / 2)
    if order == 0:
        terms = [(-1) ** (k + 1) * harmonic(k) / math.factorial(k) ** 2 for k in range(_TERMS)]
        close = 2 / math.pi * ((log + EULER) * _power(quarter, 0, -1) + polynomial(quarter, terms))
    else:
        terms = [
            (-1) ** k * (harmonic(k) + harmonic(k + 1) - 2 * EULER) / (math.factorial(k) * math.factorial(k + 1))
            for k in range(_TERMS)
        ]
        close = (
            2 / math.pi * log * _power(quarter, 1, -1) * near / 2
            - 2 / (math.pi * near)
            - polynomial(quarter, terms) * near / (2 * math.pi)
        )
    value = torch.where(x < _FAR, close, _far_wave(x.clamp(min=_FAR), order, math.pi / 2))
    return torch.where(x > 0, value, torch.where(x == 0, -math.inf, math.nan))


def _i_scaled(size: Tensor, order: int) -> Tensor:
    """exp(-x) I(x) for x >= 0."""
    near, limit = size.clamp(max=20.0), 20.0
    close = _power(near * near / 4, order, 1) * (near / 2) ** order * torch.exp(-near)
    terms = [(-1) ** k * a for k, a in enumerate(_hankel(order, 24))]
    inverse = 1.0 / size.clamp(min=limit)
    far = polynomial(inverse, terms) * torch.sqrt(inverse / (2 * math.pi))
    return torch.where(size < limit, close, far)


def _k_scaled(x: Tensor, order: int) -> Tensor:
    """exp(x) K(x): series up to 1, the integral of exp(-x cosh t) cosh(order t) by the trapezoidal rule up to 12."""
    near = x.clamp(1e-300, 1.0)
    quarter, log = near * near / 4, torch.log(near / 2)
    if order == 0:
        terms = [harmonic(k) / math.factorial(k) ** 2 for k in range(20)]
        close = polynomial(quarter, terms) - (log + EULER) * _power(quarter, 0, 1)
    else:
        terms = [
            (harmonic(k) + harmonic(k + 1) - 2 * EULER) / (math.factorial(k) * math.factorial(k + 1)) for k in range(20)
        ]
        close = log * _power(quarter, 1, 1) * near / 2 + 1 / near - polynomial(quarter, terms) * near / 4
    middle = _k_integral(x.clamp(1.0, _FAR), order)
    inverse = 1.0 / x.clamp(min=_FAR)
    far = polynomial(inverse, _hankel(order, 24)) * torch.sqrt(math.pi / 2 * inverse)
    value = torch.where(x < 1.0, close * torch.exp(near), torch.where(x < _FAR, middle, far))
    return torch.where(x > 0, value, torch.where(x == 0, math.inf, math.nan))


def _k_integral(x: Tensor, order: int) -> Tensor:
    step = 0.125
    total = torch.full_like(x, 0.5 * step)
    for k in range(1, 36):
        t = k * step
        total = total + torch.exp(-x * (math.cosh(t) - 1)) * (step * math.cosh(order * t))
    return total


@decomposes(aten.special_bessel_j0.default)
@in_float64
def bessel_j0(x: Tensor) -> Tensor:
    return _j(x, 0)


@decomposes(aten.special_bessel_j1.default)
@in_float64
def bessel_j1(x: Tensor) -> Tensor:
    return _j(x, 1)


@decomposes(aten.special_bessel_y0.default)
@in_float64
def bessel_y0(x: Tensor) -> Tensor:
    return _y(x, 0)


@decomposes(aten.special_bessel_y1.default)
@in_float64
def bessel_y1(x: Tensor) -> Tensor:
    return _y(x, 1)


@decomposes(aten.special_i0e.default)
@in_float64
def i0e(x: Tensor) -> Tensor:
    return _i_scaled(x.abs(), 0)


@decomposes(aten.special_i1e.default)
@in_float64
def i1e(x: Tensor) -> Tensor:
    return _i_scaled(x.abs(), 1) * x.sign()


@decomposes(aten.i0.default, aten.special_modified_bessel_i0.default)
@in_float64
def i0(x: Tensor) -> Tensor:
    return _i_scaled(x.abs(), 0) * torch.exp(x.abs())


@decomposes(aten.special_i1.default, aten.special_modified_bessel_i1.default)
@in_float64
def i1(x: Tensor) -> Tensor:
    return _i_scaled(x.abs(), 1) * torch.exp(x.abs()) * x.sign()


@decomposes(aten.special_scaled_modified_bessel_k0.default)
@in_float64
def scaled_k0(x: Tensor) -> Tensor:
    return _k_scaled(x, 0)


@decomposes(aten.special_scaled_modified_bessel_k1.default)
@in_float64
def scaled_k1(x: Tensor) -> Tensor:
    return _k_scaled(x, 1)


@decomposes(aten.special_modified_bessel_k0.default)
@in_float64
def k0(x: Tensor) -> Tensor:
    return _k_scaled(x, 0) * torch.exp(-x)


@decomposes(aten.special_modified_bessel_k1.default)
@in_float64
def k1(x: Tensor) -> Tensor:
    return _k_scaled(x, 1) * torch.exp(-x)


@decomposes(aten.special_spherical_bessel_j0.default)
@in_float64
def spherical_j0(x: Tensor) -> Tensor:
    """sin(x) / x, 1 at 0, 0 at infinity."""
    value = torch.sin(x) / torch.where(x == 0, 1.0, x)
    return torch.where(x == 0, 1.0, torch.where(x.isinf(), 0.0, value))
