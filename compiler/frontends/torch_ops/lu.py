"""LU factors with row exchanges, one column per step of a loop, and what follows from them: systems, inverses,
determinants.

Of a singular matrix the solution and the inverse hold infinities or NaN; where PyTorch returns `info`, that says it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.loops import places, put, repeat, take
from stratagem.compiler.frontends.torch_ops.registry import decomposes
from stratagem.compiler.frontends.torch_ops.triangular import solve_triangle

aten = torch.ops.aten


def factor(a: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Factors of `a` [..., m, n] in one matrix, as LAPACK's getrf has them.

    Returns them, the order of rows (int64 [..., m]: row i of L U is row order[i] of `a`), pivots (int32
    [..., min(m, n)], from 1) and info (int32 [...], the place of the first pivot that is 0, from 1).
    """
    m, n = a.shape[-2:]
    order = torch.arange(m).expand(a.shape[:-1]).clone()
    pivots = torch.zeros((*a.shape[:-2], min(m, n)), dtype=torch.int64)
    info = torch.zeros(a.shape[:-2], dtype=torch.int32)
    a, order, pivots, info = repeat(min(m, n), _step, a, order, pivots, info)
    return a, order, pivots.to(torch.int32), info


def _step(k: Tensor, a: Tensor, order: Tensor, pivots: Tensor, info: Tensor) -> tuple[Tensor, ...]:
    rows = places(a, -2)
    size = torch.where(rows >= k, take(a, -1, k).abs(), -1.0).squeeze(-1)
    best = size.argmax(-1, keepdim=True)
    line = torch.arange(a.shape[-2])
    turned = torch.where(line == k, best, torch.where(line == best, k, line))
    a = torch.gather(a, -2, turned.unsqueeze(-1).expand(a.shape))
    order = torch.gather(order, -1, turned)
    top = take(a, -2, k)
    pivot = take(top, -1, k)
    is_zero = (pivot == 0).squeeze(-1).squeeze(-1)
    multiples = torch.where(rows > k, take(a, -1, k) / torch.where(pivot == 0, 1.0, pivot), 0.0)
    reduced = a - multiples * torch.where(places(a, -1) > k, top, 0.0)
    a = torch.where((places(a, -1) == k) & (rows > k), multiples, reduced)
    info = torch.where((info == 0) & is_zero, (k + 1).to(torch.int32), info)
    return a, order, put(pivots, -1, k, best + 1), info


def lower_of(factors: Tensor) -> Tensor:
    """[..., m, min(m, n)] with ones on the diagonal."""
    m, n = factors.shape[-2:]
    part = factors[..., : min(m, n)]
    return torch.where(places(part, -2) == places(part, -1), 1.0, torch.tril(part))


def upper_of(factors: Tensor) -> Tensor:
    return torch.triu(factors[..., : min(factors.shape[-2:]), :])


def solve_factored(factors: Tensor, order: Tensor, right: Tensor) -> Tensor:
    """`x` with `a @ x = right` for the factors of a square `a`; `right` [..., n, m]."""
    batch = torch.broadcast_shapes(factors.shape[:-2], right.shape[:-2])
    right = right.expand(*batch, *right.shape[-2:])
    rows = order.unsqueeze(-1).expand(right.shape)
    lower = solve_triangle(factors, torch.gather(right, -2, rows), upper=False, unit=True)
    return solve_triangle(factors, lower, upper=True)


def order_of(pivots: Tensor, m: int) -> Tensor:
    """The order of rows (int64 [..., m]) after the exchanges of rows k and pivots[k] - 1."""

    def step(k: Tensor, order: Tensor, pivots: Tensor) -> tuple[Tensor, ...]:
        other, line = take(pivots, -1, k).to(torch.int64) - 1, torch.arange(m)
        turned = torch.where(line == k, other, torch.where(line == other, k, line))
        return torch.gather(order, -1, turned.expand(order.shape)), pivots

    start = torch.arange(m).expand(*pivots.shape[:-1], m).clone()
    return repeat(pivots.shape[-1], step, start, pivots)[0]


def _permutation(order: Tensor, dtype: torch.dtype) -> Tensor:
    """The matrix P with `a = P @ L @ U`."""
    return (order.unsqueeze(-2) == torch.arange(order.shape[-1]).unsqueeze(-1)).to(dtype)


@decomposes(aten.linalg_lu_factor_ex.default)
def lu_factor_ex(a: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    if not pivot:
        return NotImplemented
    factors, _, pivots, info = factor(a)
    return factors, pivots, info


@decomposes(aten.linalg_lu_factor.default)
def lu_factor(a: Tensor, *, pivot: bool = True) -> Any:
    if not pivot:
        return NotImplemented
    return lu_factor_ex(a)[:2]


@decomposes(aten.linalg_lu.default)
def lu(a: Tensor, *, pivot: bool = True) -> Any:
    if not pivot:
        return NotImplemented
    factors, order, _, _ = factor(a)
    return _permutation(order, a.dtype), lower_of(factors), upper_of(factors)


@decomposes(aten.lu_unpack.default)
def lu_unpack(
    factors: Tensor, pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    none = torch.empty((0,), dtype=factors.dtype)
    order = order_of(pivots, factors.shape[-2]) if unpack_pivots else None
    exchange = none if order is None else _permutation(order, factors.dtype)
    if not unpack_data:
        return exchange, none, none.clone()
    return exchange, lower_of(factors), upper_of(factors)


@decomposes(aten.linalg_lu_solve.default)
def lu_solve(factors: Tensor, pivots: Tensor, right: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    order = order_of(pivots, factors.shape[-1])
    if left != adjoint:  # a x = b, or x aT = b, which is a xT = bT
        return solve_factored(factors, order, right) if left else solve_factored(factors, order, right.mT).mT.clone()
    turned = right if left else right.mT
    between = solve_triangle(factors.mT, turned, upper=False)
    found = solve_triangle(factors.mT, between, upper=True, unit=True)
    back = order.argsort(-1).unsqueeze(-1).expand(found.shape)
    found = torch.gather(found, -2, back)
    return found if left else found.mT.clone()


@decomposes(aten._linalg_solve_ex.default)
def solve_ex(
    a: Tensor, right: Tensor, *, left: bool = True, check_errors: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    factors, order, pivots, info = factor(a)
    is_vector = right.ndim == 1 or (right.ndim == a.ndim - 1 and right.shape == a.shape[:-1])
    columns = right.unsqueeze(-1) if is_vector else right
    found = solve_factored(factors, order, columns) if left else lu_solve(factors, pivots, columns, left=False)
    return (found.squeeze(-1) if is_vector else found), factors, pivots, info


@decomposes(aten.linalg_inv_ex.default)
def inv_ex(a: Tensor, *, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    factors, order, _, info = factor(a)
    one = torch.eye(a.shape[-1], dtype=a.dtype).expand(a.shape)
    return solve_factored(factors, order, one), info


@decomposes(aten.linalg_inv.default)
def inv(a: Tensor) -> Tensor:
    """Without PyTorch's exception for singular matrices, which is an effect that a program does not have."""
    return inv_ex(a)[0]


@decomposes(aten.linalg_tensorinv.default)
def tensorinv(a: Tensor, ind: int = 2) -> Tensor:
    rows = math.prod(a.shape[:ind])
    return inv(a.reshape(rows, -1)).reshape(*a.shape[ind:], *a.shape[:ind])


@decomposes(aten.linalg_solve.default)
def solve(a: Tensor, right: Tensor, *, left: bool = True) -> Tensor:
    return solve_ex(a, right, left=left)[0]


@decomposes(aten._linalg_det.default)
def det(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    factors, _, pivots, _ = factor(a)
    return _sign(pivots, a.dtype) * _diagonal(factors).prod(-1), factors, pivots


@decomposes(aten._linalg_slogdet.default)
def slogdet(a: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    factors, _, pivots, _ = factor(a)
    diagonal = _diagonal(factors)
    return _sign(pivots, a.dtype) * diagonal.sign().prod(-1), diagonal.abs().log().sum(-1), factors, pivots


@decomposes(aten.linalg_slogdet.default)
def sign_and_log(a: Tensor) -> tuple[Tensor, Tensor]:
    return slogdet(a)[:2]


def _diagonal(a: Tensor) -> Tensor:
    return torch.diagonal(a, dim1=-2, dim2=-1)


def _sign(pivots: Tensor, dtype: torch.dtype) -> Tensor:
    """Of the permutation: -1 for an odd number of exchanges."""
    moved = pivots != torch.arange(1, pivots.shape[-1] + 1)
    return (1 - 2 * (moved.sum(-1) % 2)).to(dtype)
