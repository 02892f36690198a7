"""Polynomials and sums whose coefficients follow from formulas, for functions computed in float64.

Special functions are computed in float64 and rounded once, so that float32 results are right to their last bit or the
one before; float64 results have the accuracy that each function states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from torch import Tensor

EULER = 0.57721566490153286061
"""Euler's constant."""


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Sum of coefficients[k] x^k, by Horner's rule."""
    value = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


def harmonic(k: int) -> float:
    """1 + 1/2 + ... + 1/k."""
    return sum(1.0 / i for i in range(1, k + 1))


def in_float64(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """Runs `function` on float64 tensors and rounds the result to the operands' float type; integers give float32.

    Numbers among the operands stay as they are.
    """

    @wraps(function)
    def wrapper(*operands: Any) -> Tensor:
        tensors = [value for value in operands if isinstance(value, torch.Tensor)]
        floating = [t.dtype for t in tensors if t.dtype.is_floating_point]
        dtype = torch.promote_types(floating[0], floating[-1]) if floating else torch.get_default_dtype()
        wide = [v.to(torch.float64) if isinstance(v, torch.Tensor) else v for v in operands]
        return function(*wide).to(dtype)

    return wrapper
