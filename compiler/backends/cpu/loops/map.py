"""Nests without reductions: full vectors, then one masked vector for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import scf

from stratagem.compiler.backends.cpu.build import Size, i64, loop, round_down, sub
from stratagem.compiler.backends.cpu.loops.body import evaluate, reads_argument
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.emit import index_reader, load_inputs, nested_loops, written_order
from stratagem.compiler.backends.cpu.loops.nest import Nest
from stratagem.compiler.backends.cpu.loops.stream import starts_aligned, whole_vectors


def emit_map(nest: Nest, plan: Plan) -> None:
    """Emits loops around vectors along `plan.vector`; twice, where results may be streamed."""
    streamed = whole_vectors(nest, plan)
    plain = replace(nest, outputs=[replace(a, streamed=False) for a in nest.outputs])
    if not streamed:
        _emit_rows(plain, plan)
        return
    branch = scf.IfOp(starts_aligned(streamed, plan.lanes), [], has_else=True)
    marked = replace(nest, outputs=[replace(a, streamed=a in streamed) for a in nest.outputs])
    for block, one in ((branch.then_block, marked), (branch.else_block, plain)):
        with ir.InsertionPoint(block):
            _emit_rows(one, plan)
            scf.YieldOp([])


def _emit_rows(nest: Nest, plan: Plan) -> None:
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
