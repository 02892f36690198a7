"""The Airy function Ai: its two power series near 0, asymptotic series beyond (Abramowitz and Stegun, 10.4.2, 10.4.59,
10.4.60). Within 3e-8 of the function's amplitude.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes
from stratagem.compiler.frontends.torch_ops.series import in_float64, polynomial

_FAR = 5.7
_AT_ZERO = 0.35502805388781723926
_SLOPE = 0.25881940379280679841
"""Ai(0) and -Ai'(0)."""


@decomposes(torch.ops.aten.special_airy_ai.default)
@in_float64
def airy_ai(x: Tensor) -> Tensor:
    value = torch.where(x > _FAR, _decay(x.clamp(min=_FAR)), _near(x.clamp(-_FAR, _FAR)))
    value = torch.where(x < -_FAR, _wave((-x).clamp(min=_FAR)), value)
    return torch.where(x.isfinite(), value, math.nan)


def _near(x: Tensor) -> Tensor:
    first, second = [1.0], [1.0]
    for k in range(1, 40):
        first.append(first[-1] / ((3 * k - 1) * (3 * k)))
        second.append(second[-1] / ((3 * k) * (3 * k + 1)))
    cube = x * x * x
    return _AT_ZERO * polynomial(cube, first) - _SLOPE * x * polynomial(cube, second)


def _terms(count: int) -> list[float]:
    found = [1.0]
    for k in range(1, count):
        found.append(found[-1] * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1)))
    return found


def _decay(x: Tensor) -> Tensor:
    root = torch.sqrt(x)
    zeta = 2 / 3 * x * root
    series = polynomial(-1.0 / zeta, _terms(18))
    return torch.exp(-zeta) * series / (2 * math.sqrt(math.pi) * torch.sqrt(root))


def _wave(x: Tensor) -> Tensor:
    root = torch.sqrt(x)
    zeta = 2 / 3 * x * root
    inverse, terms = 1.0 / zeta, _terms(18)
    square = -inverse * inverse
    even, odd = polynomial(square, terms[::2]), polynomial(square, terms[1::2]) * inverse
    phase = zeta + math.pi / 4
    return (torch.sin(phase) * even - torch.cos(phase) * odd) / (math.sqrt(math.pi) * torch.sqrt(root))
