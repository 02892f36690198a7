"""Cholesky factors and systems with triangular matrices, one column or row per step of a loop.

A matrix that has no Cholesky factor gives NaN from the failing column on; where PyTorch returns `info`, that says
which.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.loops import places, put, repeat, take
from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten


def cholesky_lower(a: Tensor) -> tuple[Tensor, Tensor]:
    """The lower factor of `a` [..., n, n], of which the lower triangle is read, and info [...] (int32): the order of
    the first leading minor that is not positive, 0 where there is none."""

    def step(k: Tensor, factor: Tensor, info: Tensor, a: Tensor) -> tuple[Tensor, ...]:
        column = take(a, -1, k) - factor @ take(factor, -2, k).mT
        pivot = take(column, -2, k)
        failed = (info == 0) & ~(pivot > 0).squeeze(-1).squeeze(-1)
        column = torch.where(places(a, -2) >= k, column / pivot.sqrt(), 0.0)
        return put(factor, -1, k, column), torch.where(failed, (k + 1).to(torch.int32), info), a

    info = torch.zeros(a.shape[:-2], dtype=torch.int32)
    factor, info, _ = repeat(a.shape[-1], step, torch.zeros_like(a), info, a)
    return factor, info


def solve_lower(matrix: Tensor, right: Tensor, unit: bool = False) -> Tensor:
    """`x` with `matrix @ x = right`; `matrix` [..., n, n], of which the lower triangle is read, `right` [..., n, m]."""
    matrix, right = _same_batch(matrix, right)

    def step(k: Tensor, x: Tensor, matrix: Tensor, right: Tensor) -> tuple[Tensor, ...]:
        row = take(matrix, -2, k)
        value = take(right, -2, k) - torch.where(places(matrix, -1) < k, row, 0.0) @ x
        return put(x, -2, k, value if unit else value / take(row, -1, k)), matrix, right

    return repeat(right.shape[-2], step, torch.zeros_like(right), matrix, right)[0]


def solve_triangle(matrix: Tensor, right: Tensor, upper: bool, unit: bool = False) -> Tensor:
    """As `solve_lower`, for either triangle: an upper one is a lower one read from the end."""
    if not upper:
        return solve_lower(matrix, right, unit)
    return solve_lower(matrix.flip(-2, -1), right.flip(-2), unit).flip(-2)


def _same_batch(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    batch = torch.broadcast_shapes(matrix.shape[:-2], right.shape[:-2])
    return matrix.expand(*batch, *matrix.shape[-2:]).clone(), right.expand(*batch, *right.shape[-2:]).clone()


@decomposes(aten.linalg_cholesky.default, aten.cholesky.default)
def cholesky(a: Tensor, upper: bool = False) -> Tensor:
    return cholesky_ex(a, upper=upper)[0]


@decomposes(aten.linalg_cholesky_ex.default)
def cholesky_ex(a: Tensor, *, upper: bool = False, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    factor, info = cholesky_lower(a.mT if upper else a)
    return factor.mT.clone() if upper else factor, info


@decomposes(aten.cholesky_inverse.default)
def cholesky_inverse(factor: Tensor, upper: bool = False) -> Tensor:
    one = torch.eye(factor.shape[-1], dtype=factor.dtype)
    return cholesky_solve(one.expand(factor.shape), factor, upper)


@decomposes(aten.cholesky_solve.default)
def cholesky_solve(right: Tensor, factor: Tensor, upper: bool = False) -> Tensor:
    lower = factor.mT if upper else factor
    return solve_triangle(lower.mT, solve_lower(lower, right), upper=True)


@decomposes(aten.linalg_solve_triangular.default)
def solve_triangular(
    matrix: Tensor, right: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    if left:
        return solve_triangle(matrix, right, upper, unitriangular)
    return solve_triangle(matrix.mT, right.mT, not upper, unitriangular).mT.clone()


@decomposes(aten.triangular_solve.default)
def triangular_solve(
    right: Tensor, matrix: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Tensor, Tensor]:
    turned = matrix.mT if transpose else matrix
    batch = torch.broadcast_shapes(matrix.shape[:-2], right.shape[:-2])
    used = matrix.expand(*batch, *matrix.shape[-2:]).clone()
    return solve_triangle(turned, right, upper != transpose, unitriangular), used
