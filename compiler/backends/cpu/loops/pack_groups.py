"""Fills panels of groups: rows interleaved, squares turned, or lines copied, with zeros where a group is not full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, llvm

from stratagem.compiler.backends.cpu.build import (
    Size,
    add,
    element_pointer,
    i64,
    loop,
    mul,
    parse_type,
    round_down,
    splat,
    sub,
    vector_type,
)
from stratagem.compiler.backends.cpu.loops.dot import SIGN_BITS
from stratagem.compiler.backends.cpu.loops.emit import nested_loops
from stratagem.compiler.backends.cpu.loops.groups import Groups, Packing, quotient
from stratagem.compiler.backends.cpu.loops.transpose import transpose_block


def fill_panel(packing: Packing, dense: Groups, counters: list[Size], vectors: int, active: Any) -> None:
    """Packs `vectors` vectors of the free loop, whose last one has `active` places (None: all); the others hold
    anything."""
    step = _interleave if packing.interleaves else _turn

    def piece(here: list[Size], rest: Any) -> None:
        for v in range(vectors):
            step(packing, dense, here, v, rest, active if v == vectors - 1 else None)

    nested_loops(packing.nest, packing.outer, list(counters), lambda here: _along(packing, here, piece))


def fill_rows(packing: Packing, dense: Groups, counters: list[Size]) -> None:
    """Copies an operand that is dense along the reduction, filling up its last groups."""

    def chunk(here: list[Size], rest: Any) -> None:
        groups = _bits(packing, _neighbours(packing, packing.source.offset(here), rest))
        _store(packing, dense, here, 0, groups)

    nested_loops(
        packing.nest, [packing.free, *packing.outer], list(counters), lambda here: _along(packing, here, chunk)
    )


def _along(packing: Packing, counters: list[Size], pack: Any) -> None:
    """Calls `pack(counters, rest)` at each piece of the reduction: a group, or a vector of them. `rest`: how many
    elements the last, partial one has (i64), else None."""
    size = packing.nest.sizes[packing.grouped]
    step = packing.dot.group * (1 if packing.interleaves else packing.lanes)
    full = round_down(size, step)

    def at(position: Size, rest: Any) -> None:
        here = list(counters)
        here[packing.grouped] = position
        pack(here, rest)

    loop(0, full, step, lambda position: at(position, None))
    if not isinstance(size, int) or size > full:
        loop(full, size, step, lambda position: at(position, i64(sub(size, position))))


def _interleave(packing: Packing, dense: Groups, here: list[Size], v: int, rest: Any, active: Any) -> None:
    """One group of each lane from as many rows as a group is long."""
    rows = []
    for i in range(packing.dot.group):
        offset = add(
            add(packing.source.offset(here), mul(packing.source.coefficients[packing.grouped], i)), v * packing.lanes
        )
        mask = active
        if rest is not None and i:  # rows past the end are not read, and zero
            inside = arith.cmpi(arith.CmpIPredicate.slt, i64(i), rest)
            mask = arith.select(inside, i64(packing.lanes) if active is None else active, i64(0))
        rows.append(packing.source.load_vector(offset, 1, packing.lanes, mask))
    while len(rows) > 1:  # neighbours last: of four rows 0 with 2 and 1 with 3, then the pairs
        half = len(rows) // 2
        rows = [_zipped(a, b) for a, b in zip(rows[:half], rows[half:], strict=True)]
    _store(packing, dense, here, mul(dense.coefficients[packing.free], v * packing.lanes), _bits(packing, rows[0]))


def _turn(packing: Packing, dense: Groups, here: list[Size], v: int, rest: Any, active: Any) -> None:
    """A square of groups from as many places as there are lanes, dense along the reduction."""
    step, rows = packing.source.coefficients[packing.free], []
    for j in range(packing.lanes):
        place: Size = j if active is None else arith.minsi(i64(j), arith.subi(active, i64(1)))
        offset = add(packing.source.offset(here), mul(step, add(place, v * packing.lanes)))
        rows.append(_bits(packing, _neighbours(packing, offset, rest)))
    for i, vector in enumerate(transpose_block(rows)):
        place = add(
            mul(dense.coefficients[packing.free], v * packing.lanes), mul(dense.coefficients[packing.grouped], i)
        )
        _store(packing, dense, here, place, vector)


def _neighbours(packing: Packing, offset: Size, rest: Any) -> Any:
    """A vector of groups along the reduction; elements past the end are zero."""
    return packing.source.load_vector(offset, 1, packing.lanes * packing.dot.group, rest)


def _bits(packing: Packing, value: Any) -> Any:
    kind = vector_type(packing.lanes, parse_type("i32"))
    return ir.Operation.create("vector.bitcast", results=[kind], operands=[value]).result


def _store(packing: Packing, dense: Groups, here: list[Size], place: Size, groups: Any) -> None:
    if packing.flip:
        groups = arith.xori(groups, splat(arith.constant(parse_type("i32"), SIGN_BITS), packing.lanes))
    counters = list(here)
    counters[packing.grouped] = 0
    group = quotient(here[packing.grouped], packing.dot.group)
    offset = add(add(dense.offset(counters), mul(dense.coefficients[packing.grouped], group)), place)
    llvm.StoreOp(groups, element_pointer(dense.pointer, offset, dense.element), alignment=dense.stored_bytes)


def _zipped(a: Any, b: Any) -> Any:
    """a[0], b[0], a[1], b[1], ..."""
    lanes = ir.VectorType(a.type).shape[0]
    kind = vector_type(2 * lanes, ir.VectorType(a.type).element_type)
    order: Sequence[int] = [i // 2 + lanes * (i % 2) for i in range(2 * lanes)]
    attributes = {"mask": ir.DenseI64ArrayAttr.get(order)}
    return ir.Operation.create("vector.shuffle", results=[kind], operands=[a, b], attributes=attributes).result
