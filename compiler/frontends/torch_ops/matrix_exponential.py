"""The exponential of a matrix: a Taylor polynomial of the matrix divided by a power of 2, squared as often again.

In float64, because squaring multiplies errors. Moler and Van Loan, Nineteen dubious ways to compute the exponential of
a matrix (2003), method 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.loops import repeat
from stratagem.compiler.frontends.torch_ops.registry import decomposes
from stratagem.compiler.frontends.torch_ops.series import in_float64

_DEGREE = 16
"""Below a norm of 1/2 the rest is less than 2^-17 / 17!, the last bit of float64."""
_SQUARINGS = 32
"""Enough for a norm of 2^31, beyond which float64 overflows."""


def _scaled(a: Tensor) -> tuple[Tensor, Tensor]:
    norm = a.abs().sum(-2).amax(-1)
    times = (torch.log2(norm.clamp(min=0.5)) + 1).ceil().clamp(0, _SQUARINGS).reshape(*norm.shape, 1, 1)
    return a * torch.exp2(-times), times


@decomposes(torch.ops.aten.linalg_matrix_exp.default, torch.ops.aten.matrix_exp.default)
@in_float64
def matrix_exp(a: Tensor) -> Tensor:
    if not a.numel():
        return a.clone()
    small, times = _scaled(a)
    one = torch.eye(a.shape[-1], dtype=a.dtype).expand(a.shape)
    value = one
    for k in range(_DEGREE, 0, -1):
        value = one + small @ value / k

    def step(k: Tensor, value: Tensor, times: Tensor) -> tuple[Tensor, ...]:
        return torch.where(k < times, value @ value, value), times

    return repeat(_SQUARINGS, step, value, times)[0]
