"""Register blocks: rows x vectors of accumulators stay in registers while the reductions run.

One code path serves matrix products, convolutions in any layout, grouped and depthwise ones, pooling and column sums:
they differ in which operands move with the lanes and with the rows, and that is in the coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from torch_mlir.dialects import arith

from stratagem.compiler.backends.cpu.build import (
    Size,
    add,
    carrying_loop,
    i64,
    loop,
    mul,
    round_down,
    splat,
    sub,
)
from stratagem.compiler.backends.cpu.loops.access import Access, widen
from stratagem.compiler.backends.cpu.loops.blocks import row_blocks
from stratagem.compiler.backends.cpu.loops.body import evaluate, reads_argument
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.emit import index_reader, nested_loops, written_order
from stratagem.compiler.backends.cpu.loops.nest import Ending, Nest
from stratagem.compiler.backends.cpu.loops.pack import allocate_panel, pack_panel, panel_access, worth_packing


@dataclass(frozen=True)
class Columns:
    """Columns of a block: `vectors` vectors, of which the last holds `active` columns (None: all).

    `excess`: by how much the sums of each vector come out too large, where they do.
    """

    vectors: int
    active: Any = None
    excess: tuple[Any, ...] = ()


def emit_block(nest: Nest, plan: Plan) -> None:
    """Emits: loops that move the vector operands, blocks of columns (with packing), the other loops, blocks of rows."""
    parallel = [d for d in written_order(nest, nest.loops(True)) if d not in (plan.vector, plan.rows)]
    moving = [a for i, a in enumerate(nest.inputs) if a.moves_with(plan.vector) and reads_argument(nest.body, i)]
    outside = [d for d in parallel if any(a.moves_with(d) for a in moving)]
    inside = [d for d in parallel if d not in outside]
    panel = allocate_panel(nest, plan) if plan.packed is not None else None

    def columns(counters: list[Size]) -> None:
        for begin, end, step, shape in column_blocks(nest.sizes[plan.vector], plan):

            def block(position: Size, shape: Columns = shape) -> None:
                here = list(counters)
                here[plan.vector] = position
                one = with_active(shape, nest, plan, position)
                work = _packed(nest, plan, panel, here, one) if panel is not None else nest
                nested_loops(work, inside, here, lambda c: emit_rows(work, plan, c, one))

            loop(begin, end, step, block)

    in_chunks(nest, plan, lambda start: nested_loops(nest, outside, start, columns))


def in_chunks(nest: Nest, plan: Plan, blocks: Callable[[list[Size]], None]) -> None:
    """Calls `blocks` with the counters where its reductions start: at 0, or once per chunk of the only one."""
    start: list[Size] = [0] * len(nest.sizes)
    if not plan.chunk:
        blocks(start)
        return
    (d,) = nest.loops(False)
    loop(0, nest.sizes[d], plan.chunk, lambda begin: blocks([begin if i == d else 0 for i in range(len(start))]))


def column_blocks(size: Size, plan: Plan) -> Iterator[tuple[Size, Size, int, Columns]]:
    """(begin, end, step, shape): full blocks, then one block with a known rest or single masked vectors."""
    width = plan.lanes * plan.vectors
    full = round_down(size, width)
    yield 0, full, width, Columns(plan.vectors)
    if isinstance(size, int):
        rest = size - int(full)
        if rest:
            partial = rest % plan.lanes
            yield full, size, width, Columns(-(-rest // plan.lanes), partial or None)
        return
    yield full, size, plan.lanes, Columns(1, "dynamic")


def with_active(shape: Columns, nest: Nest, plan: Plan, position: Size) -> Columns:
    """The same columns with the number of active lanes as a value."""
    if shape.active is None:
        return shape
    if shape.active != "dynamic":
        return replace(shape, active=i64(shape.active))
    rest = i64(sub(nest.sizes[plan.vector], position))
    return replace(shape, active=arith.minsi(rest, i64(plan.lanes)))


def _packed(nest: Nest, plan: Plan, panel: Any, counters: list[Size], columns: Columns) -> Nest:
    """The nest reading its packed operand from the panel, after filling it."""
    assert plan.packed is not None
    source = nest.inputs[plan.packed]
    width = columns.vectors * plan.lanes
    dense = panel_access(nest, plan, panel, width, counters)
    if plan.must:
        pack_panel(nest, plan, source, dense, counters, width, columns.active)
        chosen = dense
    else:
        chosen = worth_packing(nest, plan, source, dense, counters, width, columns.active)
    inputs = [chosen if i == plan.packed else a for i, a in enumerate(nest.inputs)]
    return replace(nest, inputs=inputs)


def emit_rows(nest: Nest, plan: Plan, counters: list[Size], columns: Columns) -> None:
    """Emits the blocks of rows of one block of columns."""
    if plan.rows is None:
        _Block(nest, plan, counters, columns, 1).emit()
        return
    rows = plan.rows
    for begin, end, height in row_blocks(nest.sizes[rows], plan.height):

        def block(row: Size, height: int = height) -> None:
            here = list(counters)
            here[rows] = row
            _Block(nest, plan, here, columns, height).emit()

        loop(begin, end, height, block)


def _summing_order(nest: Nest, plan: Plan) -> list[int]:
    """The reductions in the order that walks the operands read element by element forward in memory."""
    scalars = [a for a in nest.inputs if a.pointer is not None and not a.moves_with(plan.vector)]

    def step(d: int) -> int:
        steps = [a.coefficients[d] for a in scalars if isinstance(a.coefficients[d], int)]
        return max(steps, default=0)

    return sorted(nest.loops(False), key=lambda d: -step(d))


class _Block:
    """One register block: `height` rows of `columns.vectors` vectors, per output."""

    def __init__(self, nest: Nest, plan: Plan, counters: list[Size], columns: Columns, height: int) -> None:
        self.nest, self.plan, self.columns, self.height = nest, plan, columns, height
        self.counters = counters

    def emit(self) -> None:
        sums = [self._start(access, row, v) for access in self.nest.outputs for row, v in self._vectors()]
        sums = self._reduce(_summing_order(self.nest, self.plan), self.counters, sums)
        if self.nest.ending is not None:
            self._finish(self.nest.ending, sums)
            return
        values = iter(sums)
        for access in self.nest.outputs:
            for row, v in self._vectors():
                self._store(access, next(values), row, v)

    def _vectors(self) -> Iterator[tuple[int, int]]:
        """The vectors of the block, by row and place in it."""
        return product(range(self.height), range(self.columns.vectors))

    def _store(self, access: Access, value: Any, row: int, v: int) -> None:
        access.store_vector(value, self._place(access, row, v), self.plan.lanes, self._active(v))

    def _finish(self, ending: Ending, sums: list[Any]) -> None:
        """Stores what the ending makes of the sums, with its operands loaded once."""
        loaded: dict[tuple[int, int, int], Any] = {}
        operands = [*ending.inputs, *ending.outputs]
        for (row, v), value in zip(self._vectors(), sums, strict=True):
            arguments = [
                None if not reads_argument(ending.body, i) else self._load(i, access, row, v, self.counters, loaded)
                for i, access in enumerate(operands)
                if i != ending.sum
            ]
            arguments.insert(ending.sum, value)
            values = evaluate(ending.body, arguments, self._index_reader(self.counters, row, v), self._active(v))
            for access, made in zip(ending.outputs, values, strict=True):
                self._store(access, made, row, v)

    def _start(self, access: Access, row: int, v: int) -> Any:
        """What the sums of vector `v` of row `row` start from."""
        if self.nest.initial is not None:
            start = splat(widen(self.nest.initial), self.plan.lanes)
        else:
            loaded = access.load_vector(self._place(access, row, v), 1, self.plan.lanes, self._active(v))
            start = splat(loaded, self.plan.lanes)
        return arith.subi(start, self.columns.excess[v]) if self.columns.excess else start

    def _active(self, v: int) -> Any:
        return self.columns.active if v == self.columns.vectors - 1 else None

    def _place(self, access: Access, row: int, v: int, counters: list[Size] | None = None) -> Size:
        """The offset of vector `v` of row `row`; the constant parts stay constants."""
        offset = access.offset(counters or self.counters)
        if self.plan.rows is not None:
            offset = add(offset, mul(access.coefficients[self.plan.rows], row))
        return add(offset, mul(access.coefficients[self.plan.vector], v * self.plan.lanes))

    def _reduce(self, order: list[int], counters: list[Size], sums: list[Any]) -> list[Any]:
        if not order:
            return self._step(counters, sums)
        d = order[0]

        def body(counter: Size, carried: list[Any]) -> list[Any]:
            moved = [counter if i == d else c for i, c in enumerate(counters)]
            return self._reduce(order[1:], moved, carried)

        return carrying_loop(counters[d], self._end(d, counters[d]), 1, sums, body)

    def _end(self, d: int, begin: Size) -> Size:
        size = self.nest.sizes[d]
        if not self.plan.chunk:
            return size
        if isinstance(size, int) and size % self.plan.chunk == 0:
            return add(begin, self.plan.chunk)
        return arith.minsi(i64(size), i64(add(begin, self.plan.chunk)))

    def _step(self, counters: list[Size], sums: list[Any]) -> list[Any]:
        """The body at one point of the reductions, for every vector of the block. Each operand is loaded once."""
        loaded: dict[tuple[int, int, int], Any] = {}
        stride = self.height * self.columns.vectors
        result = list(sums)
        for row in range(self.height):
            for v in range(self.columns.vectors):
                arguments = [self._operand(i, row, v, counters, loaded) for i in range(len(self.nest.inputs))]
                slots = [n * stride + row * self.columns.vectors + v for n in range(len(self.nest.outputs))]
                arguments += [result[slot] for slot in slots]
                values = self._evaluate(arguments, counters, row, v)
                for slot, value in zip(slots, values, strict=True):
                    result[slot] = splat(widen(value), self.plan.lanes)
        return result

    def _evaluate(self, arguments: list[Any], counters: list[Size], row: int, v: int) -> list[Any]:
        """The next sums of one vector, from operands and sums."""
        dot, columns = self.plan.dot, self.plan.columns
        if dot is not None:
            return [dot.add(arguments[2], arguments[columns], arguments[1 - columns])]
        return evaluate(self.nest.body, arguments, self._index_reader(counters, row, v), self._active(v))

    def _operand(self, i: int, row: int, v: int, counters: list[Size], loaded: dict[tuple[int, int, int], Any]) -> Any:
        return (
            self._load(i, self.nest.inputs[i], row, v, counters, loaded) if reads_argument(self.nest.body, i) else None
        )

    def _load(
        self, i: int, access: Access, row: int, v: int, counters: list[Size], loaded: dict[tuple[int, int, int], Any]
    ) -> Any:
        """Operand `i` at one vector of the block; what stays the same is loaded once."""
        plan = self.plan
        if access.pointer is None:
            return splat(access.load(0), plan.lanes)
        by_row = plan.rows is not None and access.moves_with(plan.rows)
        by_column = access.moves_with(plan.vector)
        key = (i, row if by_row else 0, v if by_column else 0)
        if key not in loaded:
            offset = self._place(access, key[1], key[2], counters)
            active = self._active(v) if by_column else None
            step = access.coefficients[plan.vector]
            loaded[key] = splat(access.load_vector(offset, step, plan.lanes, active), plan.lanes)
        return loaded[key]

    def _index_reader(self, counters: list[Size], row: int, v: int) -> Any:
        here = list(counters)
        here[self.plan.vector] = add(here[self.plan.vector], v * self.plan.lanes)
        if self.plan.rows is not None:
            here[self.plan.rows] = add(here[self.plan.rows], row)
        return index_reader(self.nest, here, self.plan.vector, self.plan.lanes)
