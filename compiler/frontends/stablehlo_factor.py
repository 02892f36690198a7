"""LU and QR factors of batched matrices as loops over columns, in StableHLO, with LAPACK's conventions.

Golub and Van Loan, "Matrix Computations", 4th edition, 3.4 (partial pivoting) and 5.1-5.2 (Householder). The choice of
pivots and signs is that of LAPACK's `getrf` and `geqrf`, which makes the factors unique.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.stablehlo_build import (
    broadcast,
    compare,
    conjugate,
    convert,
    fold,
    full,
    imaginary,
    iota,
    is_complex,
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


def lu(a: Any) -> list[Any]:
    """`a` of [batch..., m, n] as P L U.

    Returns L without its ones and U in one matrix; the row, from 1, that each step exchanged with its own (i32 of
    [batch..., min(m, n)]); and 0, or the first column, from 1, whose pivot is zero (i32 of [batch...]).
    """
    shape, row = shape_of(a), a.type.rank - 2
    steps, index = min(shape[-2:]), ir.IntegerType.get_signless(32)
    rows, columns = iota(shape, row), iota(shape, row + 1)

    def eliminate(k: Any, state: list[Any]) -> list[Any]:
        matrix, pivots, status = state
        here = broadcast(k, shape, [])
        place = _pivot_row(take(matrix, row + 1, k), k, row)
        matrix = _exchanged(matrix, rows, here, place, k, row)
        column, pivot = take(matrix, row + 1, k), take(take(matrix, row, k), row + 1, k)
        is_zero = compare("EQ", pivot, like(0, pivot))
        safe = same("select", is_zero, like(1, pivot), pivot)
        factors = same("divide", column, _wide(safe, column))
        below = compare("GT", rows, here)
        rest = same("subtract", matrix, product(factors, take(matrix, row, k)))
        inner = same("and", below, compare("GT", columns, here))
        left = same("and", below, compare("EQ", columns, here))
        matrix = same("select", inner, rest, same("select", left, _wide(factors, matrix), matrix))
        number = reshape(same("add", place, like(1, place)), [*shape[:-2], 1])
        fails = same("and", is_zero, compare("EQ", status, like(0, status)))
        first = same("select", fails, _wide(same("add", k, like(1, k)), status), status)
        return [matrix, put(pivots, number, row, k), first]

    pivots, status = full(0, [*shape[:-2], steps], index), full(0, [*shape[:-2], 1, 1], index)
    matrix, pivots, status = repeat(steps, [a, pivots, status], eliminate)
    return [matrix, pivots, reshape(status, shape[:-2])]


def _pivot_row(column: Any, k: Any, row: int) -> Any:
    """The first row from `k` on whose element is largest, as i32 of [batch..., 1, 1]; `k` where all are NaN."""
    size = same("abs", real(column))
    if is_complex(column):
        size = same("add", size, same("abs", imaginary(column)))  # the norm that LAPACK compares by
    rows, here = iota(shape_of(column), row), broadcast(k, shape_of(column), [])
    size = same("select", compare("GE", rows, here), size, like(-1, size))
    largest = compare("EQ", size, _wide(fold("maximum", size, row, -1), size))
    count = shape_of(column)[row]
    found = fold("minimum", same("select", largest, rows, like(count, rows)), row, count)
    return same("select", compare("EQ", found, like(count, found)), _wide(k, found), found)


def _exchanged(matrix: Any, rows: Any, here: Any, place: Any, k: Any, row: int) -> Any:
    """The matrix with row `k` and, in each matrix of the batch, the row at `place` exchanged."""
    there = compare("EQ", rows, _wide(place, rows))
    upper = take(matrix, row, k)
    lower = fold("add", same("select", there, matrix, like(0, matrix)), row, 0)
    moved = same("select", there, _wide(upper, matrix), matrix)
    return same("select", compare("EQ", rows, here), _wide(lower, matrix), moved)


def qr(a: Any) -> list[Any]:
    """`a` of [batch..., m, n] by Householder reflections I - tau v v^H: R, below it each v without its leading one, and
    tau of [batch..., min(m, n)]."""
    shape, row = shape_of(a), a.type.rank - 2
    columns = iota(shape, row + 1)
    tall = iota([*shape[:-1], 1], row)

    def reflect(k: Any, state: list[Any]) -> list[Any]:
        matrix, taus = state
        column, here = take(matrix, row + 1, k), broadcast(k, shape_of(tall), [])
        below = compare("GT", tall, here)
        beta, tau, vector = _reflector(column, take(column, row, k), below, row)
        vector = same("select", compare("EQ", tall, here), like(1, vector), vector)
        change = product(vector, product(conjugate(swap_last(vector)), matrix))
        rest = same("subtract", matrix, same("multiply", _wide(conjugate(tau), matrix), change))
        matrix = same("select", compare("GT", columns, broadcast(k, shape, [])), rest, matrix)
        on_top = same("select", compare("EQ", tall, here), _wide(beta, column), column)
        matrix = put(matrix, same("select", below, vector, on_top), row + 1, k)
        return [matrix, put(taus, reshape(tau, [*shape[:-2], 1]), row, k)]

    steps = min(shape[-2:])
    return repeat(steps, [a, full(0, [*shape[:-2], steps], a.type.element_type)], reflect)


def _reflector(column: Any, alpha: Any, below: Any, row: int) -> tuple[Any, Any, Any]:
    """What a reflection makes of the leading element, its tau, and its vector below the leading one."""
    tail = same("select", below, column, like(0, column))
    squares = fold("add", _square(tail), row, 0)
    norm = same("sqrt", same("add", _square(alpha), squares))
    is_negative = compare("LT", real(alpha), like(0, norm))
    beta = convert(same("select", is_negative, norm, same("negate", norm)), column.type.element_type)
    trivial = compare("EQ", squares, like(0, squares))
    if is_complex(alpha):
        trivial = same("and", trivial, compare("EQ", imaginary(alpha), like(0, norm)))
    safe = same("select", trivial, like(1, beta), beta)
    tau = same("select", trivial, like(0, beta), same("divide", same("subtract", safe, alpha), safe))
    divisor = same("select", trivial, like(1, beta), same("subtract", alpha, beta))
    return same("select", trivial, alpha, beta), tau, same("divide", tail, _wide(divisor, tail))


def _square(value: Any) -> Any:
    """The squared magnitude, elementwise."""
    re = same("multiply", real(value), real(value))
    if not is_complex(value):
        return re
    return same("add", re, same("multiply", imaginary(value), imaginary(value)))


def reflections_product(a: Any, taus: Any) -> Any:
    """The first n columns of H_1 H_2 ... H_k, `a` of [batch..., m, n] and tau as `qr` gives them."""
    shape, row = shape_of(a), a.type.rank - 2
    count = shape_of(taus)[-1]
    identity = convert(compare("EQ", iota(shape, row), iota(shape, row + 1)), real(a).type.element_type)
    tall = iota([*shape[:-1], 1], row)

    def apply(step: Any, state: list[Any]) -> list[Any]:
        (q,) = state
        k = same("subtract", like(count - 1, step), step)
        here, column = broadcast(k, shape_of(tall), []), take(a, row + 1, k)
        vector = same("select", compare("GT", tall, here), column, like(0, column))
        vector = same("select", compare("EQ", tall, here), like(1, vector), vector)
        tau = reshape(take(taus, row, k), [*shape[:-2], 1, 1])
        change = product(vector, product(conjugate(swap_last(vector)), q))
        return [same("subtract", q, same("multiply", _wide(tau, q), change))]

    return repeat(count, [convert(identity, a.type.element_type)], apply)[0]


def _wide(value: Any, target: Any) -> Any:
    """Repeated to the shape of `target`, along its dimensions of size 1 or from no dimensions at all."""
    return broadcast(value, shape_of(target), range(value.type.rank))
