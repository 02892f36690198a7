"""Nests without reductions: full vectors, then one masked vector for the rest."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.backends.cpu.build import Size, i64, loop, round_down, sub
from stratagem.compiler.backends.cpu.loops.body import evaluate, reads_argument
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.emit import index_reader, load_inputs, nested_loops, written_order
from stratagem.compiler.backends.cpu.loops.nest import Nest


def emit_map(nest: Nest, plan: Plan) -> None:
    """Emits loops around vectors along `plan.vector`."""
    order = written_order(nest, [d for d in range(len(nest.sizes)) if d != plan.vector])
    size = nest.sizes[plan.vector]
    full = round_down(size, plan.lanes)

    def row(counters: list[Size]) -> None:
        def at(position: Size, active: Any) -> None:
            counters[plan.vector] = position
            _one_vector(nest, plan, counters, active)

        loop(0, full, plan.lanes, lambda position: at(position, None))
        if not isinstance(size, int) or full != size:
            loop(full, size, plan.lanes, lambda position: at(position, i64(sub(size, position))))

    nested_loops(nest, order, [0] * len(nest.sizes), row)


def _one_vector(nest: Nest, plan: Plan, counters: list[Size], active: Any) -> None:
    arguments = load_inputs(nest, counters, plan.vector, plan.lanes, active)
    for i, access in enumerate(nest.outputs):
        used = reads_argument(nest.body, len(nest.inputs) + i)
        arguments.append(access.load_vector(access.offset(counters), 1, plan.lanes, active) if used else None)
    results = evaluate(nest.body, arguments, index_reader(nest, counters, plan.vector, plan.lanes), active)
    for access, value in zip(nest.outputs, results, strict=True):
        access.store_vector(value, access.offset(counters), plan.lanes, active)
