"""Reductions along the dense direction: partial results in the lanes of a vector, combined at the end.

This reorders the reduction. Sums of floats change by rounding only, within the bound that holds for any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.backends.cpu.build import (
    Size,
    add,
    carrying_loop,
    i64,
    lane_mask,
    loop,
    round_down,
    splat,
    sub,
    vector_type,
)
from stratagem.compiler.backends.cpu.loops.access import widen
from stratagem.compiler.backends.cpu.loops.blocks import row_blocks
from stratagem.compiler.backends.cpu.loops.body import evaluate
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.combine import Combiner, combiner_of
from stratagem.compiler.backends.cpu.loops.emit import index_reader, load_inputs, nested_loops, written_order
from stratagem.compiler.backends.cpu.loops.nest import Nest


def emit_lanes(nest: Nest, plan: Plan) -> None:
    """Emits the parallel loops, with blocks of rows where rows share an operand."""
    combiner = combiner_of(nest.body)
    assert combiner is not None
    others = written_order(nest, [d for d in nest.loops(True) if d != plan.rows])

    def point(counters: list[Size]) -> None:
        if plan.rows is None:
            _Rows(nest, plan, combiner, counters, 1).emit()
            return
        for begin, end, height in row_blocks(nest.sizes[plan.rows], plan.height):

            def block(row: Size, height: int = height) -> None:
                counters[plan.rows if plan.rows is not None else 0] = row
                _Rows(nest, plan, combiner, counters, height).emit()

            loop(begin, end, height, block)

    nested_loops(nest, others, [0] * len(nest.sizes), point)


class _Rows:
    """`height` rows reduced together, `plan.vectors` partial vectors each."""

    def __init__(self, nest: Nest, plan: Plan, combiner: Combiner, counters: list[Size], height: int) -> None:
        self.nest, self.plan, self.combiner, self.height = nest, plan, combiner, height
        self.counters = list(counters)
        self.output = nest.outputs[0]
        self.kind = self.output.computed

    def emit(self) -> None:
        plan = self.plan
        neutral = self._neutral()
        outer = [d for d in self.nest.loops(False) if d != plan.vector]
        sums = [neutral] * (self.height * plan.vectors)
        sums = self._reduce(outer, self.counters, sums)
        for row in range(self.height):
            parts = sums[row * plan.vectors : (row + 1) * plan.vectors]
            self._finish(row, parts)

    def _neutral(self) -> Any:
        kind = vector_type(self.plan.lanes, self.kind)
        attribute = self.combiner.neutral_attribute(self.kind)
        return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, attribute))

    def _reduce(self, order: list[int], counters: list[Size], sums: list[Any]) -> list[Any]:
        if not order:
            return self._walk(counters, sums)
        d = order[0]

        def body(counter: Size, carried: list[Any]) -> list[Any]:
            moved = [counter if i == d else c for i, c in enumerate(counters)]
            return self._reduce(order[1:], moved, carried)

        return carrying_loop(0, self.nest.sizes[d], 1, sums, body)

    def _walk(self, counters: list[Size], sums: list[Any]) -> list[Any]:
        """Full steps of all vectors, then single vectors, then one masked vector."""
        plan, size = self.plan, self.nest.sizes[self.plan.vector]
        wide, full = round_down(size, plan.lanes * plan.vectors), round_down(size, plan.lanes)

        def step(vectors: int) -> Callable[[Size, list[Any]], list[Any]]:
            def body(position: Size, carried: list[Any]) -> list[Any]:
                return self._combine(counters, position, carried, vectors, None)

            return body

        sums = carrying_loop(0, wide, plan.lanes * plan.vectors, sums, step(plan.vectors))
        if plan.vectors > 1:
            sums = carrying_loop(wide, full, plan.lanes, sums, step(1))

        def rest(position: Size, carried: list[Any]) -> list[Any]:
            return self._combine(counters, position, carried, 1, i64(sub(size, position)))

        return sums if isinstance(size, int) and size == full else carrying_loop(full, size, plan.lanes, sums, rest)

    def _combine(self, counters: list[Size], position: Size, sums: list[Any], vectors: int, active: Any) -> list[Any]:
        plan, nest = self.plan, self.nest
        result = list(sums)
        for row in range(self.height):
            for v in range(vectors):
                here = list(counters)
                here[plan.vector] = add(position, v * plan.lanes)
                if plan.rows is not None:
                    here[plan.rows] = add(counters[plan.rows], row)
                slot = row * plan.vectors + v
                arguments = load_inputs(nest, here, plan.vector, plan.lanes, active)
                arguments += [result[slot], *[None] * len(nest.outputs[1:])]
                self._fetch_ahead(here, v)
                reader = index_reader(nest, here, plan.vector, plan.lanes)
                value, *stored = evaluate(nest.body, arguments, reader, active, any_zero=True)
                for access, one in zip(nest.outputs[1:], stored, strict=True):
                    access.store_vector(one, access.offset(here), plan.lanes, active)
                value = splat(widen(value), plan.lanes)
                if active is not None:
                    value = arith.select(lane_mask(active, plan.lanes), value, result[slot])
                result[slot] = value
        return result

    def _fetch_ahead(self, here: list[Size], v: int) -> None:
        """Once for each line of the inputs that say so."""
        for access in self.nest.inputs:
            if access.ahead and v * self.plan.lanes * access.bytes() % self.plan.line_bytes == 0:
                access.fetch_ahead(access.offset(here))

    def _finish(self, row: int, parts: list[Any]) -> None:
        while len(parts) > 1:
            pairs = [self._apply(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
            parts = pairs + parts[len(parts) // 2 * 2 :]
        kind = ir.Attribute.parse(f"#vector.kind<{self.combiner.kind}>")
        attributes = {"kind": kind}
        if not isinstance(self.kind, ir.IntegerType | ir.IndexType):
            attributes["fastmath"] = ir.Attribute.parse("#arith.fastmath<reassoc>")
        total = ir.Operation.create(
            "vector.reduction", results=[self.kind], operands=[parts[0]], attributes=attributes
        ).result
        here = list(self.counters)
        if self.plan.rows is not None:
            here[self.plan.rows] = add(here[self.plan.rows], row)
        offset = self.output.offset(here)
        initial = widen(self.nest.initial) if self.nest.initial is not None else self.output.load(offset)
        self.output.store(self._apply(initial, total), offset)

    def _apply(self, a: Any, b: Any) -> Any:
        return ir.Operation.create(self.combiner.operation, results=[a.type], operands=[a, b]).result
