"""Contractions (`C[b,m,n] += A[b,m,k] * B[b,k,n]`, any of b, m, n absent) as `tl.dot`.

A contraction that lacks m, n or k after dropping extents of one (a matrix-vector product, an outer product)
is not a
dot: the general printer multiplies with broadcasting and sums, which is what such shapes want.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu.printer.element_types import computed_in
from stratagem.compiler.backends.gpu.printer.extents import is_exact, padded_extent, tile_axes
from stratagem.compiler.backends.gpu.printer.function_writer import FunctionWriter
from stratagem.compiler.backends.gpu.printer.memory import converted, mask_text
from stratagem.compiler.backends.gpu.printer.scalars import without_parentheses
from stratagem.compiler.backends.gpu.printer.structured import Iteration, permuted, replace_held
from stratagem.compiler.backends.gpu.printer.values import Number, Shaped, Tile

DOT_TYPES = ("f32", "f16", "bf16")


@dataclass(frozen=True)
class Roles:
    """The iteration dimensions of a dot; `batch` is None where there is none."""

    batch: int | None
    m: int
    n: int
    k: int


def is_contraction(op: Any) -> bool:
    """Whether the body is `acc + a * b` over two inputs, widening casts of a and b aside."""
    block = op.regions[0].blocks[0]
    if len(block.arguments) != 3:
        return False
    a, b, accumulator = block.arguments
    yielded = list(block.operations)[-1].operands[0]
    total = _producer(yielded)
    if total is None or total.name != "arith.addf" or accumulator not in list(total.operands):
        return False
    product = _producer(next((o for o in total.operands if o != accumulator), accumulator))
    if product is None or product.name != "arith.mulf" or len(list(accumulator.uses)) != 1:
        return False
    return [_unwidened(o) for o in product.operands] in ([a, b], [b, a])


def _producer(value: Any) -> Any | None:
    return value.owner.operation if isinstance(value, ir.OpResult) else None


def _unwidened(value: Any) -> Any:
    op = _producer(value)
    return op.operands[0] if op is not None and op.name == "arith.extf" else value


def dot_roles(iteration: Iteration) -> Roles | None:
    """Which iteration dimension plays which part; None when the shapes do not make a dot."""
    a, b, c = (set(m) & set(iteration.axes) for m in iteration.maps)
    batch, m, n, k = a & b & c, (a & c) - b, (b & c) - a, (a & b) - c
    if len(batch) > 1 or not len(m) == len(n) == len(k) == 1 or len(batch | m | n | k) != iteration.rank:
        return None
    return Roles(next(iter(batch), None), _only(m), _only(n), _only(k))


def _only(dims: set[Any]) -> int:
    return int(next(iter(dims)))


def print_dot(
    operands: Sequence[Shaped | Number],
    iteration: Iteration,
    roles: Roles,
    precision: str,
    tile_of: Callable[[Shaped], Tile],
    writer: FunctionWriter,
) -> Tile | None:
    """Prints the contraction as one dot and returns its tile; None when the element types have no dot.

    `precision` is how f32 operands are multiplied: `ieee`, `tf32` or `tf32x3`.
    """
    if any(isinstance(o, Number) or o.element not in DOT_TYPES for o in operands):
        return None
    tiles = [tile_of(o) for o in operands if not isinstance(o, Number)]
    if tiles[0].element != tiles[1].element:
        return None
    head = [] if roles.batch is None else [roles.batch]
    shapes = ((roles.m, roles.k), (roles.k, roles.n), (roles.m, roles.n))
    wanted = [[*head, *shape] for shape in shapes]
    left, right = (
        _operand(tiles[i], iteration.maps[i], wanted[i], roles.k, iteration, writer) for i in range(2)
    )
    initial = tiles[2]
    own = _own(initial, iteration.maps[2], writer)
    accumulator = replace_held(initial, "f32")
    text = permuted(accumulator.text, [own.index(d) for d in wanted[2]])
    name = writer.assign("acc", f'tl.dot({left}, {right}, acc={text}, input_precision="{precision}")')
    result = permuted(name, [wanted[2].index(d) for d in own])
    return Tile(result, initial.dims, initial.element, computed_in(initial.element))


def _own(tile: Tile, dims: Sequence[int | None], writer: FunctionWriter) -> list[int]:
    """The iteration dimension of each axis of a tile."""
    return [_some(dims[d]) for d in tile_axes(tile.dims, writer.smallest_extent)]


def _some(dim: int | None) -> int:
    assert dim is not None, "a broadcast dimension has extent one"
    return dim


def _operand(
    tile: Tile,
    dims: Sequence[int | None],
    wanted: Sequence[int],
    k: int,
    iteration: Iteration,
    writer: FunctionWriter,
) -> str:
    """The operand in its own element type, zero in lanes past the contracted size, axes in dot order."""
    text = converted(tile.text, tile.held, tile.element)
    size = iteration.sizes[k]
    if tile.padding != 0.0 and not is_exact(size, padded_extent(size, writer.smallest_extent)):
        own_k = [d for d, dim in enumerate(dims) if dim == k]
        mask = mask_text(tile.dims, writer, only=own_k)
        text = f"tl.where({without_parentheses(mask)}, {text}, 0.0)"
    own = _own(tile, dims, writer)
    return permuted(text, [own.index(d) for d in wanted])
