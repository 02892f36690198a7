"""Pieces that the loop strategies share: counters, loading operands, evaluating the body at one block of lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.backends.cpu.build import Size, i64, loop, splat, vector_type
from stratagem.compiler.backends.cpu.loops.body import IndexOf, reads_argument
from stratagem.compiler.backends.cpu.loops.nest import Nest


def nested_loops(nest: Nest, order: Sequence[int], counters: list[Size], inner: Callable[[list[Size]], None]) -> None:
    """Loops over `order`, outermost first; `inner` gets the counters of all loops."""
    if not order:
        inner(counters)
        return
    d, rest = order[0], order[1:]

    def body(counter: Size) -> None:
        nested_loops(nest, rest, [counter if i == d else c for i, c in enumerate(counters)], inner)

    loop(0, nest.sizes[d], 1, body)


def index_reader(nest: Nest, counters: Sequence[Size], vector: int = -1, lanes: int = 1) -> IndexOf:
    """Reads `linalg.index`: the counter of an original loop, per lane along `vector`."""

    def read(original: int) -> Any:
        d = nest.position[original]
        counter = i64(0 if d is None else counters[d])
        index = arith.index_cast(ir.IndexType.get(), counter)
        if d is None or d != vector:
            return index
        kind = vector_type(lanes, ir.IndexType.get())
        return arith.addi(ir.Operation.create("vector.step", results=[kind]).result, splat(index, lanes))

    return read


def load_inputs(nest: Nest, counters: Sequence[Size], vector: int, lanes: int, active: Any = None) -> list[Any]:
    """The inputs at these counters, as vectors along `vector`; None for inputs that the body does not read."""
    values: list[Any] = []
    for i, access in enumerate(nest.inputs):
        if not reads_argument(nest.body, i):
            values.append(None)
        else:
            step = access.coefficients[vector] if access.pointer is not None else 0
            values.append(access.load_vector(access.offset(counters), step, lanes, active))
    return values


def written_order(nest: Nest, loops: Sequence[int]) -> list[int]:
    """Loops in the order that walks the first output forward: large steps outside; unknown ones keep their place."""
    steps = nest.outputs[0].coefficients

    def key(d: int) -> tuple[int, int]:
        step = steps[d]
        return (-step if isinstance(step, int) else -(1 << 40), d)

    return sorted(loops, key=key)
