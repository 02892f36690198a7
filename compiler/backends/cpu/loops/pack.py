"""Copying a panel of an operand to dense scratch memory, so that blocks read whole vectors from near caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, llvm, memref, scf

from stratagem.compiler.backends.cpu.build import (
    Size,
    add,
    element_pointer,
    i64,
    loop,
    mul,
    parse_type,
    round_down,
)
from stratagem.compiler.backends.cpu.loops.access import Access
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.emit import nested_loops
from stratagem.compiler.backends.cpu.loops.nest import Nest
from stratagem.compiler.backends.cpu.loops.transpose import load_turned
from stratagem.compiler.schedule.register_block import PACK_ROWS


def allocate_panel(nest: Nest, plan: Plan) -> Any:
    """Scratch memory for one panel of the packed operand; returns its address."""
    assert plan.packed is not None
    source = nest.inputs[plan.packed]
    count: Size = plan.lanes * plan.vectors
    for d in _depth_loops(nest, source):
        count = mul(count, nest.sizes[d])
    return scratch(count, source.stored)


def scratch(count: Size, element: Any) -> Any:
    """The address of scratch memory for `count` elements, which lasts as long as the phase or the loop around it."""
    kind = ir.MemRefType.get([ir.ShapedType.get_dynamic_size()], element)
    size = arith.index_cast(ir.IndexType.get(), i64(count))
    buffer = memref.AllocOp(kind, [size], []).result
    struct = parse_type("!llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>")
    descriptor = ir.Operation.create("builtin.unrealized_conversion_cast", results=[struct], operands=[buffer]).result
    return llvm.ExtractValueOp(parse_type("!llvm.ptr"), descriptor, [1]).result


def panel_access(nest: Nest, plan: Plan, panel: Any, width: int, counters: list[Size]) -> Access:
    """The packed operand as the block reads it: dense rows of `width`, one per step of the reductions.

    The panel starts at the block's first column, so the position of the block is taken off again.
    """
    assert plan.packed is not None
    source = nest.inputs[plan.packed]
    coefficients: list[Size] = [0] * len(nest.sizes)
    step: Size = width
    for d in reversed(_depth_loops(nest, source)):
        coefficients[d] = step
        step = mul(step, nest.sizes[d])
    coefficients[plan.vector] = 1
    dense = Access(source.element, panel, tuple(coefficients))
    back = mul(-1, counters[plan.vector])
    return _shifted(dense, back)


def pack_panel(
    nest: Nest, plan: Plan, source: Access, dense: Access, counters: list[Size], width: int, active: Any
) -> None:
    """Fills the panel. Columns past `active` in the last vector hold anything; nobody stores what comes of them."""
    depth = _depth_loops(nest, source)

    def row(here: list[Size]) -> None:
        if source.is_unit(plan.vector):
            for start in range(0, width, plan.lanes):
                last = active if start + plan.lanes == width else None
                value = source.load_vector(add(source.offset(here), start), 1, plan.lanes, last)
                dense.store_vector(value, add(dense.offset(here), start), plan.lanes)
            return
        _pack_by_elements(plan, source, dense, here, width, active)

    turned = depth and source.is_unit(depth[-1]) and plan.lanes & (plan.lanes - 1) == 0
    if not turned or source.is_unit(plan.vector):
        nested_loops(nest, depth, list(counters), row)
        return
    size = nest.sizes[depth[-1]]
    full = round_down(size, plan.lanes)

    def line(here: list[Size]) -> None:
        def at(position: Size, pack: Callable[[list[Size]], None]) -> None:
            there = list(here)
            there[depth[-1]] = position
            pack(there)

        def square(there: list[Size]) -> None:
            _pack_turned(plan, source, dense, there, depth[-1], width, active)

        loop(0, full, plan.lanes, lambda position: at(position, square))
        loop(full, size, 1, lambda position: at(position, row))

    nested_loops(nest, depth[:-1], list(counters), line)


def _pack_turned(
    plan: Plan, source: Access, dense: Access, here: list[Size], depth: int, width: int, active: Any
) -> None:
    """Packs as many steps of the last reduction as there are lanes, by turning squares in registers."""
    for start in range(0, width, plan.lanes):
        columns = active if start + plan.lanes == width else None
        step = source.coefficients[plan.vector]
        offset = add(source.offset(here), mul(step, start))
        for i, vector in enumerate(load_turned(source, offset, step, plan.lanes, columns)):
            place = add(add(dense.offset(here), start), mul(dense.coefficients[depth], i))
            dense.store_vector(vector, place, plan.lanes)


def _pack_by_elements(plan: Plan, source: Access, dense: Access, here: list[Size], width: int, active: Any) -> None:
    columns: Size = width if active is None else add(active, width - plan.lanes)

    def column(position: Size) -> None:
        there = list(here)
        there[plan.vector] = add(there[plan.vector], position)
        dense.store(source.load(source.offset(there)), dense.offset(there))

    loop(0, columns, 1, column)


def worth_packing(
    nest: Nest, plan: Plan, source: Access, dense: Access, counters: list[Size], width: int, active: Any
) -> Access:
    """Packs when enough rows will read the panel, decided at run time; returns the access that holds in both cases."""
    assert plan.rows is not None
    rows = nest.sizes[plan.rows]
    if isinstance(rows, int) and rows >= PACK_ROWS:
        pack_panel(nest, plan, source, dense, counters, width, active)
        return dense
    enough = arith.cmpi(arith.CmpIPredicate.sge, i64(rows), i64(PACK_ROWS))
    branch = scf.IfOp(enough, [])
    with ir.InsertionPoint(branch.then_block):
        pack_panel(nest, plan, source, dense, counters, width, active)
        scf.YieldOp([])
    steps = [_either(enough, d, s) for d, s in zip(dense.coefficients, source.coefficients, strict=True)]
    pointer = arith.select(enough, dense.pointer, source.pointer)
    return Access(source.element, pointer, tuple(steps))


def _either(condition: Any, a: Size, b: Size) -> Size:
    if isinstance(a, int) and isinstance(b, int) and a == b:
        return a
    return arith.select(condition, i64(a), i64(b))


def _depth_loops(nest: Nest, source: Access) -> list[int]:
    """The reductions along which the operand moves."""
    return [d for d in nest.loops(False) if source.moves_with(d)]


def _shifted(access: Access, offset: Size) -> Access:
    pointer = element_pointer(access.pointer, offset, access.stored)
    return Access(access.element, pointer, access.coefficients)
