"""Triangular systems and Cholesky factors as loops over rows and columns of batched matrices, in StableHLO.

Golub and Van Loan, "Matrix Computations", 4th edition, 3.1 (substitution) and 4.2 (Cholesky).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.stablehlo_build import (
    broadcast,
    compare,
    conjugate,
    convert,
    full,
    iota,
    like,
    product,
    put,
    real,
    repeat,
    reshape,
    same,
    shape_of,
    swap_last,
    take,
)


@dataclass(frozen=True)
class Triangle:
    """Which system: `op(A) X = B`, or `X op(A) = B` with `on_left` false; op transposes, and conjugates. Only one
    triangle of A is read, and not its diagonal where that counts as ones."""

    on_left: bool
    lower: bool
    transposed: bool
    conjugated: bool
    unit_diagonal: bool


def triangular_solve(a: Any, b: Any, which: Triangle) -> Any:
    """X of the system, for `a` of [batch..., n, n] and `b` of [batch..., n, k], or [batch..., k, n] on the right."""
    lower = which.lower
    if which.conjugated:
        a = conjugate(a)
    if which.transposed:
        a, lower = swap_last(a), not lower
    if not which.on_left:
        a, b, lower = swap_last(a), swap_last(b), not lower
    x = _substitute(a, b, lower, which.unit_diagonal)
    return x if which.on_left else swap_last(x)


def _substitute(a: Any, b: Any, lower: bool, unit_diagonal: bool) -> Any:
    shape, row = shape_of(a), a.type.rank - 2
    count = shape[-1]
    # A strict triangle, because what lies outside may be anything, NaN too.
    beside = compare("GT" if lower else "LT", iota(shape, row), iota(shape, row + 1))
    strict = same("select", beside, a, like(0, a))

    def solve_row(step: Any, state: list[Any]) -> list[Any]:
        (x,) = state
        at = step if lower else same("subtract", like(count - 1, step), step)
        known = product(take(strict, row, at), x)  # rows of x not solved yet are zero
        rest = same("subtract", take(b, row, at), known)
        if not unit_diagonal:
            diagonal = take(take(a, row, at), row + 1, at)
            rest = same("divide", rest, broadcast(diagonal, shape_of(rest), range(rest.type.rank)))
        return [put(x, rest, row, at)]

    return repeat(count, [like(0, b)], solve_row)[0]


def cholesky(a: Any) -> tuple[Any, Any]:
    """The lower L with L L^H = A, read from the lower triangle of `a` of [batch..., n, n]; and per matrix 0, or the
    number of the first column, from 1, at which it turns out not to be positive definite (i32 of [batch...]).
    """
    shape, row = shape_of(a), a.type.rank - 2
    column_shape = [*shape[:-1], 1]
    rows = iota(column_shape, row)
    status = convert(like(0, real(take(take(a, row, _zero()), row + 1, _zero()))), ir.IntegerType.get_signless(32))

    def solve_column(at: Any, state: list[Any]) -> list[Any]:
        factor, bad = state
        known = product(factor, conjugate(swap_last(take(factor, row, at))))  # columns not solved yet are zero
        column = same("subtract", take(a, row + 1, at), known)
        pivot = real(take(column, row, at))
        root = same("sqrt", pivot)
        wide = broadcast(convert(root, a.type.element_type), column_shape, range(row + 2))
        here = broadcast(at, column_shape, [])
        scaled = same("select", compare("GT", rows, here), same("divide", column, wide), like(0, column))
        new = same("select", compare("EQ", rows, here), wide, scaled)
        fails = same("and", compare("EQ", bad, like(0, bad)), _not_positive(pivot))
        number = broadcast(same("add", at, like(1, at)), shape_of(bad), [])
        return [put(factor, new, row + 1, at), same("select", fails, number, bad)]

    factor, bad = repeat(shape[-1], [like(0, a), status], solve_column)
    return factor, reshape(bad, shape[:-2])


def _not_positive(pivot: Any) -> Any:
    """Also where the pivot is NaN."""
    return same("not", compare("GT", pivot, like(0, pivot)))


def _zero() -> Any:
    return full(0, [], ir.IntegerType.get_signless(32))
