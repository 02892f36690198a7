"""The strategy for everything else: one element at a time, sums kept in registers along the inner reductions."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.cpu.build import Size, carrying_loop
from stratagem.compiler.backends.cpu.loops.access import widen
from stratagem.compiler.backends.cpu.loops.body import evaluate, reads_argument
from stratagem.compiler.backends.cpu.loops.emit import index_reader, nested_loops, written_order
from stratagem.compiler.backends.cpu.loops.nest import Nest


def emit_scalar(nest: Nest) -> None:
    """Parallel loops outside, reductions inside; the body as it is.

    A body that gathers whole rows is the exception: the loop along the rows goes inside, where LLVM vectorises it.
    """
    order = written_order(nest, nest.loops(True))
    reductions = nest.loops(False)
    along_rows = _gathered_row_loop(nest)
    if along_rows is not None and reductions:
        order = [*(d for d in order if d != along_rows), *reductions, along_rows]
        reductions = []

    def element(counters: list[Size]) -> None:
        offsets = [access.offset(counters) for access in nest.outputs]
        needed = bool(nest.loops(False))
        sums = [
            access.load(offset) if needed or reads_argument(nest.body, len(nest.inputs) + i) else None
            for i, (access, offset) in enumerate(zip(nest.outputs, offsets, strict=True))
        ]
        for access, offset, value in zip(nest.outputs, offsets, _reduce(nest, reductions, counters, sums), strict=True):
            access.store(value, offset)

    nested_loops(nest, order, [0] * len(nest.sizes), element)


def _gathered_row_loop(nest: Nest) -> int | None:
    """The parallel loop that is dense in every output and the last index of a gather; None when there is none."""
    loops = set()
    for child in nest.body.operations:
        op = child.operation
        if op.name == "memref.load":
            index = op.operands[len(op.operands) - 1].owner
            if not isinstance(index, ir.Block) and index.operation.name == "linalg.index":
                loops.add(nest.position[int(ir.IntegerAttr(index.operation.attributes["dim"]).value)])
    found = loops.pop() if len(loops) == 1 else None
    dense = found is not None and nest.parallel[found] and all(a.is_unit(found) for a in nest.outputs)
    return found if dense else None


def _reduce(nest: Nest, order: list[int], counters: list[Size], sums: list[Any]) -> list[Any]:
    if not order:
        arguments = [
            access.load(access.offset(counters)) if reads_argument(nest.body, i) else None
            for i, access in enumerate(nest.inputs)
        ]
        return [widen(v) for v in evaluate(nest.body, [*arguments, *sums], index_reader(nest, counters))]
    d = order[0]

    def body(counter: Size, carried: list[Any]) -> list[Any]:
        return _reduce(nest, order[1:], [counter if i == d else c for i, c in enumerate(counters)], carried)

    return carrying_loop(0, nest.sizes[d], 1, sums, body)
