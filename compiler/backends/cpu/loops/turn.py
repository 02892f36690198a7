"""Nests without reductions whose operands are dense along different loops: squares turned in registers."""

from __future__ import annotations

from dataclasses import replace

from stratagem.compiler.backends.cpu.build import Size, add, element_pointer, i64, loop, mul, round_down, sub
from stratagem.compiler.backends.cpu.loops.access import Access
from stratagem.compiler.backends.cpu.loops.body import evaluate, reads_argument
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.emit import index_reader, nested_loops, written_order
from stratagem.compiler.backends.cpu.loops.nest import Nest
from stratagem.compiler.backends.cpu.loops.scalar import emit_scalar
from stratagem.compiler.backends.cpu.loops.transpose import load_turned

SMALL_PART = 4
"""Of the lanes: fewer rows or columns at an edge are moved element by element."""


def emit_turn(nest: Nest, plan: Plan) -> None:
    """Whole squares of lanes x lanes over (plan.rows, plan.vector), then the edges: squares that are filled in part
    where their size is known and no small part, else element by element."""
    assert plan.rows is not None
    v, t, lanes = plan.vector, plan.rows, plan.lanes
    full_v, full_t = round_down(nest.sizes[v], lanes), round_down(nest.sizes[t], lanes)
    below, beside = _rest(nest.sizes[t], lanes), _rest(nest.sizes[v], lanes)
    _squares(nest, plan, (0, full_t), (0, full_v))
    if below:
        _squares(nest, plan, (full_t, nest.sizes[t]), (0, full_v), rows=below)
    if beside:
        _squares(nest, plan, (0, full_t), (full_v, nest.sizes[v]), columns=beside)
    if below and beside:
        _squares(nest, plan, (full_t, nest.sizes[t]), (full_v, nest.sizes[v]), below, beside)
    end_v, end_t = nest.sizes[v] if beside else full_v, nest.sizes[t] if below else full_t
    emit_scalar(window(nest, t, end_t, sub(nest.sizes[t], end_t)))
    emit_scalar(window(window(nest, t, 0, end_t), v, end_v, sub(nest.sizes[v], end_v)))


def _rest(size: Size, lanes: int) -> int:
    """What whole squares leave of `size`, where a square for it is worth its shuffles; 0 otherwise."""
    rest = size % lanes if isinstance(size, int) else 0
    return rest if rest * SMALL_PART >= lanes else 0


def _squares(
    nest: Nest,
    plan: Plan,
    rows_in: tuple[Size, Size],
    columns_in: tuple[Size, Size],
    rows: int | None = None,
    columns: int | None = None,
) -> None:
    """Squares over ranges of (plan.rows, plan.vector), each with so many rows and columns; None: as many as lanes."""
    others = written_order(nest, [d for d in range(len(nest.sizes)) if d not in (plan.vector, plan.rows)])

    def squares(counters: list[Size]) -> None:
        def line(row: Size) -> None:
            def square(column: Size) -> None:
                here = list(counters)
                here[plan.rows or 0], here[plan.vector] = row, column
                _square(nest, plan, here, rows or plan.lanes, columns or plan.lanes)

            loop(*columns_in, plan.lanes, square)

        loop(*rows_in, plan.lanes, line)

    nested_loops(nest, others, [0] * len(nest.sizes), squares)


def window(nest: Nest, d: int, begin: Size, size: Size) -> Nest:
    """The part of a nest with counters [begin, begin + size) of loop `d`; the body must not read its counter."""

    def moved(access: Access) -> Access:
        if access.pointer is None:
            return access
        offset = mul(access.coefficients[d], begin)
        return replace(access, pointer=element_pointer(access.pointer, offset, access.stored))

    sizes = [size if i == d else s for i, s in enumerate(nest.sizes)]
    inputs, outputs = [moved(a) for a in nest.inputs], [moved(a) for a in nest.outputs]
    return replace(nest, sizes=sizes, inputs=inputs, outputs=outputs)


def _square(nest: Nest, plan: Plan, counters: list[Size], rows: int, columns: int) -> None:
    assert plan.rows is not None
    active = i64(columns) if columns < plan.lanes else None
    loaded = [
        _load(a, plan, counters, rows, columns) if reads_argument(nest.body, i) else None
        for i, a in enumerate(nest.inputs)
    ]
    for row in range(rows):
        here = list(counters)
        here[plan.rows] = add(here[plan.rows], row)
        arguments = [None if vectors is None else vectors[row] for vectors in loaded]
        for i, access in enumerate(nest.outputs):
            used = reads_argument(nest.body, len(nest.inputs) + i)
            arguments.append(access.load_vector(access.offset(here), 1, plan.lanes, active) if used else None)
        results = evaluate(nest.body, arguments, index_reader(nest, here), active)
        for access, value in zip(nest.outputs, results, strict=True):
            access.store_vector(value, access.offset(here), plan.lanes, active)


def _load(access: Access, plan: Plan, counters: list[Size], rows: int, columns: int) -> list[object]:
    """Per row of the square, the operand along the lanes."""
    assert plan.rows is not None
    step = access.coefficients[plan.vector]
    if access.pointer is not None and access.is_unit(plan.rows) and access.moves_with(plan.vector):
        return load_turned(access, access.offset(counters), step, plan.lanes, columns, rows)
    active = i64(columns) if columns < plan.lanes else None
    found = []
    for row in range(rows):
        offset = add(access.offset(counters), mul(access.coefficients[plan.rows], row))
        found.append(access.load_vector(offset, step, plan.lanes, active))
    return found
