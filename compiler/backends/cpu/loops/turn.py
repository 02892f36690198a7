"""Nests without reductions whose operands are dense along different loops: squares turned in registers."""

from __future__ import annotations

from dataclasses import replace

from stratagem.compiler.backends.cpu.build import Size, add, element_pointer, loop, mul, round_down, sub
from stratagem.compiler.backends.cpu.loops.access import Access
from stratagem.compiler.backends.cpu.loops.body import evaluate, reads_argument
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.emit import index_reader, nested_loops, written_order
from stratagem.compiler.backends.cpu.loops.nest import Nest
from stratagem.compiler.backends.cpu.loops.scalar import emit_scalar
from stratagem.compiler.backends.cpu.loops.transpose import load_turned


def emit_turn(nest: Nest, plan: Plan) -> None:
    """Whole squares of lanes x lanes over (plan.rows, plan.vector); the edges element by element."""
    assert plan.rows is not None
    v, t, lanes = plan.vector, plan.rows, plan.lanes
    others = written_order(nest, [d for d in range(len(nest.sizes)) if d not in (v, t)])
    full_v, full_t = round_down(nest.sizes[v], lanes), round_down(nest.sizes[t], lanes)

    def squares(counters: list[Size]) -> None:
        def line(row: Size) -> None:
            def square(column: Size) -> None:
                here = list(counters)
                here[t], here[v] = row, column
                _square(nest, plan, here)

            loop(0, full_v, lanes, square)

        loop(0, full_t, lanes, line)

    nested_loops(nest, others, [0] * len(nest.sizes), squares)
    emit_scalar(window(nest, t, full_t, sub(nest.sizes[t], full_t)))
    emit_scalar(window(window(nest, t, 0, full_t), v, full_v, sub(nest.sizes[v], full_v)))


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


def _square(nest: Nest, plan: Plan, counters: list[Size]) -> None:
    assert plan.rows is not None
    columns = [_load(a, plan, counters) if reads_argument(nest.body, i) else None for i, a in enumerate(nest.inputs)]
    for row in range(plan.lanes):
        here = list(counters)
        here[plan.rows] = add(here[plan.rows], row)
        arguments = [None if c is None else c[row] for c in columns]
        for i, access in enumerate(nest.outputs):
            used = reads_argument(nest.body, len(nest.inputs) + i)
            arguments.append(access.load_vector(access.offset(here), 1, plan.lanes) if used else None)
        results = evaluate(nest.body, arguments, index_reader(nest, here))
        for access, value in zip(nest.outputs, results, strict=True):
            access.store_vector(value, access.offset(here), plan.lanes)


def _load(access: Access, plan: Plan, counters: list[Size]) -> list[object]:
    """Per row of the square, the operand along the lanes."""
    assert plan.rows is not None
    step = access.coefficients[plan.vector]
    if access.pointer is not None and access.is_unit(plan.rows) and access.moves_with(plan.vector):
        return load_turned(access, access.offset(counters), step, plan.lanes)
    rows = []
    for row in range(plan.lanes):
        offset = add(access.offset(counters), mul(access.coefficients[plan.rows], row))
        rows.append(access.load_vector(offset, step, plan.lanes))
    return rows
