"""Copying the operand that a register block reads by rows to dense scratch memory.

The block reads one element of each of its rows at every step of the reduction. Rows that lie a multiple of a cache way
apart compete for the same few lines of the first cache, and rows on pages of their own for the entries of the first
translation buffer; in the copy neighbouring rows are one vector longer than they need, so they do neither.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, llvm, memref

from stratagem.compiler.backends.cpu.build import Size, add, i64, loop, mul, parse_type, round_down, sub
from stratagem.compiler.backends.cpu.loops.access import Access
from stratagem.compiler.backends.cpu.loops.body import reads_argument
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.nest import Nest

FAR_APART = 1024
"""Bytes between rows from which on a copy pays."""
BLOCKS_THAT_READ = 4
"""Blocks of columns that read a row before its copy has paid for itself."""


def with_dense_rows(nest: Nest, plan: Plan) -> Nest:
    """The nest reading its row operand from a dense copy made here, where that pays; the nest itself elsewhere."""
    found = _row_operand(nest, plan)
    if found is None:
        return nest
    number, rows, depth = found
    source = nest.inputs[number]
    pitch = add(_rounded_up(nest.sizes[depth], plan.lanes), plan.lanes)
    dense = Access(source.element, _scratch(source, mul(nest.sizes[rows], pitch)), _two(nest, rows, pitch, depth))
    _copy(nest, plan, source, dense, rows, depth)
    return replace(nest, inputs=[dense if i == number else a for i, a in enumerate(nest.inputs)])


def _row_operand(nest: Nest, plan: Plan) -> tuple[int, int, int] | None:
    """(operand, its row loop, its depth loop) of the one input worth a copy."""
    columns = nest.known_size(plan.vector)
    if plan.rows is None or (columns is not None and columns < BLOCKS_THAT_READ * plan.lanes * plan.vectors):
        return None
    for i, access in enumerate(nest.inputs):
        moving = [d for d in range(len(nest.sizes)) if access.moves_with(d)]
        depths = [d for d in moving if d != plan.rows]
        if i == plan.packed or plan.rows not in moving or len(depths) != 1 or not reads_argument(nest.body, i):
            continue
        step = access.coefficients[plan.rows]
        far = not isinstance(step, int) or step * access.bytes() >= FAR_APART
        if far and depths[0] in nest.loops(False) and access.is_unit(depths[0]):
            return i, plan.rows, depths[0]
    return None


def _rounded_up(size: Size, step: int) -> Size:
    return round_down(add(size, step - 1), step)


def _two(nest: Nest, rows: int, pitch: Size, depth: int) -> tuple[Size, ...]:
    return tuple(pitch if d == rows else int(d == depth) for d in range(len(nest.sizes)))


def _scratch(source: Access, count: Size) -> Any:
    kind = ir.MemRefType.get([ir.ShapedType.get_dynamic_size()], source.stored)
    size = arith.index_cast(ir.IndexType.get(), i64(count))
    buffer = memref.AllocOp(kind, [size], []).result
    struct = parse_type("!llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>")
    descriptor = ir.Operation.create("builtin.unrealized_conversion_cast", results=[struct], operands=[buffer]).result
    return llvm.ExtractValueOp(parse_type("!llvm.ptr"), descriptor, [1]).result


def _copy(nest: Nest, plan: Plan, source: Access, dense: Access, rows: int, depth: int) -> None:
    size = nest.sizes[depth]
    full = round_down(size, plan.lanes)

    def row(r: Size) -> None:
        def piece(k: Size, active: Any = None) -> None:
            here: list[Size] = [r if d == rows else k if d == depth else 0 for d in range(len(nest.sizes))]
            value = source.load_vector(source.offset(here), 1, plan.lanes, active)
            dense.store_vector(value, dense.offset(here), plan.lanes)

        loop(0, full, plan.lanes, piece)
        loop(full, size, plan.lanes, lambda k: piece(k, i64(sub(size, k))))

    loop(0, nest.sizes[rows], 1, row)
