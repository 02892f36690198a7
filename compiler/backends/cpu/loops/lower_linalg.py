"""Replaces structured operations on buffers by loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, scf

from stratagem.compiler.backends.cpu.build import i64
from stratagem.compiler.backends.cpu.loops.absorb import clone_at_first_iteration, window_loops, with_loops
from stratagem.compiler.backends.cpu.loops.block import emit_block
from stratagem.compiler.backends.cpu.loops.choose import Plan, choose
from stratagem.compiler.backends.cpu.loops.dots import emit_dots, with_dots
from stratagem.compiler.backends.cpu.loops.ending import Followed, followed_sums, may_end, with_ending
from stratagem.compiler.backends.cpu.loops.fuse import fuse_producers, stores_beside_sums
from stratagem.compiler.backends.cpu.loops.initial import fill_before, value_of
from stratagem.compiler.backends.cpu.loops.lanes import emit_lanes
from stratagem.compiler.backends.cpu.loops.map import emit_map
from stratagem.compiler.backends.cpu.loops.nest import Nest, NotLinear, read_nest, simplify
from stratagem.compiler.backends.cpu.loops.prefetch import Ahead, fetched_ahead
from stratagem.compiler.backends.cpu.loops.scalar import emit_scalar
from stratagem.compiler.backends.cpu.loops.stream import fence_before_return, streamed_results, with_streamed
from stratagem.compiler.backends.cpu.loops.turn import emit_turn
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.ir import functions, run_pipeline, symbol_name, walk
from stratagem.compiler.schedule.register_block import FEW_ROWS


def lower_linalg(module: Any, target: CpuTarget) -> list[tuple[str, Plan]]:
    """Lowers every `linalg.generic` of the module; returns function and strategy of each, in program order.

    Operations with maps that are not linear in the loop counters take the upstream path, plain loops.
    """
    plans = []
    with module.context, ir.Location.unknown():
        for function in functions(module):
            plans += [(symbol_name(function), plan) for plan in _lower_all(function, target)]
    run_pipeline(module, "builtin.module(func.func(convert-linalg-to-loops))")
    return plans


def _lower_all(function: Any, target: CpuTarget) -> list[Plan]:
    """Lowers a function's operations, readers first: a reduction takes over the fill that its sums start from, and what
    follows it."""
    plans: list[Plan] = []
    rest = fuse_producers([one for one in walk(function) if one.name == "linalg.generic"], target)
    ahead, followed, streamed = fetched_ahead(rest, target), followed_sums(rest), streamed_results(rest, target)
    while rest:
        op = rest.pop()
        found = followed.get(op)
        lowered = _lower_followed(found, target, ahead.get(found.sum, {})) if found is not None else None
        if lowered is not None and found is not None:
            rest.remove(found.sum)
            _erase(found)
        else:
            lowered = _lower(op, target, ahead.get(op, {}), streamed.get(op, set()))
        if lowered is None:
            continue
        plan, fill = lowered
        plans.insert(0, plan)
        if fill is not None:
            rest.remove(fill)
            fill.erase()
    if streamed:
        fence_before_return(function)
    return plans


def _lower_followed(found: Followed, target: CpuTarget, ahead: Ahead) -> tuple[Plan, Any | None] | None:
    """Emits a sum and what follows it as one nest; also returns the fill that is no longer needed. None, and nothing
    changed, where no strategy can do that."""
    loops = window_loops(found.sum)
    fill = fill_before(loops[0].loop if loops else found.sum, found.sum)
    work = clone_at_first_iteration(found.sum, loops) if loops else found.sum
    plan = None
    with ir.InsertionPoint(found.follower):
        try:
            nest = with_ending(with_loops(_fetching(read_nest(work), ahead), loops), found)
        except NotLinear:
            nest = None
        if nest is not None:
            nest = simplify(nest)
            plan = with_dots(nest, choose(nest, target), target)
            plan = plan if may_end(nest, plan) else None
        if nest is not None and plan is not None:
            nest.initial = value_of(fill) if fill is not None else None
            _emit(nest, plan)
    if loops:
        work.erase()
    return None if plan is None else (plan, fill)


def _erase(found: Followed) -> None:
    """Takes out a sum, the loops that it has absorbed, and its follower."""
    loops = window_loops(found.sum)
    (loops[0].loop if loops else found.sum).erase()
    found.follower.erase()


def _lower(op: Any, target: CpuTarget, ahead: Ahead, streamed: set[int]) -> tuple[Plan, Any | None] | None:
    """Replaces an operation and the loops that it absorbs; also returns the fill that is no longer needed."""
    if len(op.results) or any(isinstance(v.type, ir.RankedTensorType) for v in op.operands):
        return None
    loops = [] if stores_beside_sums(op) else window_loops(op)
    fill = fill_before(loops[0].loop if loops else op, op)
    work = clone_at_first_iteration(op, loops) if loops else op
    with ir.InsertionPoint(work):
        try:
            nest = with_streamed(_fetching(read_nest(work), ahead), streamed)
            nest = simplify(with_loops(nest, loops))
        except NotLinear:
            if loops:
                work.erase()
            return None
        plan = with_dots(nest, choose(nest, target), target)
        fill = fill if _starts_in_registers(plan) else None
        nest.initial = value_of(fill) if fill is not None else None
        _emit(nest, plan)
    if loops:
        loops[0].loop.erase()
    work.erase()
    return plan, fill


def _starts_in_registers(plan: Plan) -> bool:
    """Whether every block of outputs is made once, by a strategy that keeps it in registers meanwhile."""
    plans = [plan] if plan.few is None else [plan, plan.few]
    return all(one.kind in ("block", "lanes") and not one.chunk for one in plans)


def _fetching(nest: Nest, ahead: Ahead) -> Nest:
    """The nest with what its inputs fetch ahead."""
    return replace(nest, inputs=[replace(a, ahead=ahead.get(i, 0)) for i, a in enumerate(nest.inputs)])


def _emit(nest: Nest, plan: Plan) -> None:
    if plan.few is not None and plan.rows is not None:
        few = arith.cmpi(arith.CmpIPredicate.slt, i64(nest.sizes[plan.rows]), i64(FEW_ROWS))
        branch = scf.IfOp(few, [], has_else=True)
        for block, one in ((branch.then_block, plan.few), (branch.else_block, replace(plan, few=None))):
            with ir.InsertionPoint(block):
                _emit(nest, one)
                scf.YieldOp([])
    elif plan.dot is not None:
        emit_dots(nest, plan)
    elif plan.kind == "block":
        emit_block(nest, plan)
    elif plan.kind == "lanes":
        emit_lanes(nest, plan)
    elif plan.kind == "map":
        emit_map(nest, plan)
    elif plan.kind == "turn":
        emit_turn(nest, plan)
    else:
        emit_scalar(nest)
