"""Orthogonal polynomials of an order that is data: Chebyshev's by their closed forms, others by recurrence in a loop.

NIST Digital Library of Mathematical Functions, table 18.3.1 and section 18.9. The order is rounded towards 0; below 0
the polynomial is 0, and an order above what the loop reaches gives NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.loops import repeat
from stratagem.compiler.frontends.torch_ops.registry import decomposes
from stratagem.compiler.frontends.torch_ops.series import in_float64

aten = torch.ops.aten
Polynomial = Callable[[Tensor, Tensor], Tensor]
_HERMITE_LIMIT = {torch.float32: 128, torch.float64: 512}
"""PyTorch's own: Hermite's polynomials of a higher order are NaN."""
_LIMIT = 1024


def _alternating(n: Tensor) -> Tensor:
    """(-1)^n."""
    return 1 - 2 * torch.remainder(n, 2.0)


def _angles(x: Tensor) -> tuple[Tensor, Tensor]:
    """The angle with cosine `x`, and the t with hyperbolic cosine |x|; each where it exists, else 0."""
    return torch.acos(x.clamp(-1.0, 1.0)), torch.acosh(x.abs().clamp(min=1.0))


def _first(x: Tensor, n: Tensor) -> Tensor:
    angle, t = _angles(x)
    outside = torch.cosh(n * t) * torch.where(x < 0, _alternating(n), 1.0)
    return torch.where(x.abs() <= 1, torch.cos(n * angle), outside)


def _ratio(over: Tensor, under: Tensor, at_zero: Tensor) -> Tensor:
    return torch.where(under == 0, at_zero, over / torch.where(under == 0, 1.0, under))


def _second(x: Tensor, n: Tensor) -> Tensor:
    angle, t = _angles(x)
    sign = torch.where(x < 0, _alternating(n), 1.0)
    inside = _ratio(torch.sin((n + 1) * angle), torch.sin(angle), n + 1)
    outside = sign * _ratio(torch.sinh((n + 1) * t), torch.sinh(t), n + 1)
    return torch.where(x.abs() < 1, inside, outside)


def _third(x: Tensor, n: Tensor) -> Tensor:
    """V, which at -x is W up to the sign."""
    angle, t = _angles(x.abs())
    wave = torch.cos((n + 0.5) * angle) / torch.cos(angle / 2)
    steep = torch.cosh((n + 0.5) * t) / torch.cosh(t / 2)
    right = torch.where(x.abs() <= 1, wave, steep)
    other = torch.where(
        x.abs() < 1,
        _ratio(torch.sin((n + 0.5) * angle), torch.sin(angle / 2), 2 * n + 1),
        _ratio(torch.sinh((n + 0.5) * t), torch.sinh(t / 2), 2 * n + 1),
    )
    return torch.where(x < 0, _alternating(n) * other, right)


def _fourth(x: Tensor, n: Tensor) -> Tensor:
    return _alternating(n) * _third(-x, n)


def _shifted(polynomial: Polynomial) -> Polynomial:
    return lambda x, n: polynomial(2 * x - 1, n)


def _by_recurrence(first: Callable[[Tensor], Tensor], following: Callable[..., Tensor], limit: int) -> Polynomial:
    """From p_0 = 1 and p_1 = first(x) on, p_(k + 1) = following(x, k, p_k, p_(k - 1))."""

    def polynomial(x: Tensor, n: Tensor) -> Tensor:
        def step(k: Tensor, value: Tensor, before: Tensor, x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
            order = (k + 1).to(x.dtype)
            after = torch.where(order < n, following(x, order, value, before), value)
            return after, torch.where(order < n, value, before), x, n

        one = torch.ones_like(x)
        value = repeat(limit - 1, step, first(x), one, x, n)[0]
        return torch.where(n > limit, math.nan, torch.where(n == 0, one, value))

    return polynomial


def _hermite(limit: int) -> Polynomial:
    return _by_recurrence(lambda x: 2 * x, lambda x, k, p, q: 2 * x * p - 2 * k * q, limit)


def _hermite_of_statistics(limit: int) -> Polynomial:
    return _by_recurrence(lambda x: x.clone(), lambda x, k, p, q: x * p - k * q, limit)


def _laguerre(_: int) -> Polynomial:
    return _by_recurrence(lambda x: 1 - x, lambda x, k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1), _LIMIT)


def _legendre(_: int) -> Polynomial:
    return _by_recurrence(lambda x: x.clone(), lambda x, k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1), _LIMIT)


def _register(name: str, make: Callable[[int], Polynomial]) -> None:
    packet = getattr(aten, f"special_{name}")

    def both(x: Tensor, n: Tensor) -> Tensor:
        limit = _HERMITE_LIMIT.get(torch.promote_types(x.dtype, n.dtype), _HERMITE_LIMIT[torch.float32])

        def on_wide(x: Tensor, n: Tensor) -> Tensor:
            x, n = torch.broadcast_tensors(x, n.trunc())
            return torch.where(n < 0, 0.0, make(limit)(x, n.clamp(min=0.0)))

        return in_float64(on_wide)(x, n)

    def of_order(x: Tensor, n: Any) -> Tensor:
        return both(x, torch.full((), float(n), dtype=x.dtype if x.dtype.is_floating_point else None))

    def at_number(x: Any, n: Tensor) -> Tensor:
        return both(torch.full((), float(x), dtype=n.dtype if n.dtype.is_floating_point else None), n)

    decomposes(packet.default)(both)
    decomposes(packet.n_scalar)(of_order)
    decomposes(packet.x_scalar)(at_number)


_CHEBYSHEV = {"t": _first, "u": _second, "v": _third, "w": _fourth}


def _fixed(polynomial: Polynomial) -> Callable[[int], Polynomial]:
    return lambda _: polynomial


for _kind, _polynomial in _CHEBYSHEV.items():
    _register(f"chebyshev_polynomial_{_kind}", _fixed(_polynomial))
    _register(f"shifted_chebyshev_polynomial_{_kind}", _fixed(_shifted(_polynomial)))
_register("hermite_polynomial_h", _hermite)
_register("hermite_polynomial_he", _hermite_of_statistics)
_register("laguerre_polynomial_l", _laguerre)
_register("legendre_polynomial_p", _legendre)
