"""Contractions (`C[b,m,n] += A[b,m,k] * B[b,k,n]`, any of b, m, n absent) as `tl.dot`.

A contraction that lacks m, n or k after dropping extents of one (a matrix-vector product, an outer product) is not a
dot: the general printer multiplies with broadcasting and sums, which is what such shapes want.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu.printer.element_types import computed_in
from stratagem.compiler.backends.gpu.printer.extents import is_exact, padded_extent, shape_text, tile_axes
from stratagem.compiler.backends.gpu.printer.function_writer import FunctionWriter
from stratagem.compiler.backends.gpu.printer.memory import converted, mask_text
from stratagem.compiler.backends.gpu.printer.reshapes import sliced
from stratagem.compiler.backends.gpu.printer.scalars import Scalar, combine, constant, without_parentheses
from stratagem.compiler.backends.gpu.printer.structured import Iteration, permuted, replace_held
from stratagem.compiler.backends.gpu.printer.values import Number, Shaped, Tile, View
from stratagem.compiler.backends.gpu.printer.windows import MapDim

DOT_TYPES = ("f32", "f16", "bf16")
FMA_DEPTH = 16
"""Contracted extent of one f32 dot on the scalar units. Triton unrolls such a dot completely, operands in
registers, so longer ones are cut into a loop."""


SMALLEST_DEPTH = 16
"""Contracted extent Triton needs at least for 16-bit types; smaller ones are padded to it."""


Groups = list[tuple[int, ...]]


class TooShallowError(Exception):
    """A dot has a contracted extent below `SMALLEST_DEPTH`: its phase must be printed with wider tiles."""


@dataclass(frozen=True)
class Roles:
    """The iteration dimensions of a dot, by the part they play; several of a part are flattened into one axis."""

    batch: tuple[int, ...]
    m: tuple[int, ...]
    n: tuple[int, ...]
    k: tuple[int, ...]


def is_contraction(op: Any) -> bool:
    """Whether it computes `acc + a * b` over two inputs read by dimension, widening casts of a and b aside."""
    maps = [ir.AffineMapAttr(m).value for m in ir.ArrayAttr(op.attributes["indexing_maps"])]
    if not all(m.is_projected_permutation for m in maps):
        return False
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
    a, b, c = ({d for d in m if isinstance(d, int)} & set(iteration.axes) for m in iteration.maps)
    batch, m, n, k = (tuple(sorted(part)) for part in (a & b & c, (a & c) - b, (b & c) - a, (a & b) - c))
    if not (m and n and k) or len(batch + m + n + k) != iteration.rank:
        return None
    return Roles(batch, m, n, k)


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
    shaped = [o for o in operands if not isinstance(o, Number)]
    if shaped[0].element != shaped[1].element:
        return None
    dot = _Dot(iteration, roles, precision, tile_of, writer)
    if dot.extent(roles.k) < SMALLEST_DEPTH:
        raise TooShallowError
    left, right, accumulator = shaped
    if isinstance(left, View) and isinstance(right, View) and dot.needs_steps(left.element):
        return dot.stepped(left, right, tile_of(accumulator))
    return dot.whole(tile_of(left), tile_of(right), tile_of(accumulator))


@dataclass(frozen=True)
class _Dot:
    """The parts of one dot that all ways of printing it share."""

    iteration: Iteration
    roles: Roles
    precision: str
    tile_of: Callable[[Shaped], Tile]
    writer: FunctionWriter

    def extent(self, dims: Sequence[int]) -> int:
        """Padded elements along some iteration dimensions together."""
        return prod(padded_extent(self.iteration.sizes[d], self.writer.smallest_extent) for d in dims)

    def needs_steps(self, element: str) -> bool:
        """Whether the contracted extent is too long for one dot on the scalar units."""
        too_long = len(self.roles.k) == 1 and self.extent(self.roles.k) > FMA_DEPTH
        return element == "f32" and self.precision == "ieee" and too_long

    def whole(self, left: Tile, right: Tile, accumulator: Tile) -> Tile:
        """One `tl.dot`."""
        name = self.writer.assign("acc", self._call(left, right, self._in_order(accumulator)))
        return self._result(name, accumulator)

    def stepped(self, left: View, right: View, accumulator: Tile) -> Tile:
        """A loop of dots over slices of the contracted dimension."""
        writer = self.writer
        name, variable = writer.fresh("acc"), writer.fresh("k")
        size = self.iteration.sizes[self.roles.k[0]]
        writer.line(f"{name} = {self._in_order(accumulator)}")
        writer.line(f"for {variable} in tl.range(0, {writer.show(size)}, {FMA_DEPTH}):")
        with writer.indented():
            at = Scalar(max(1, size.high - 1), variable)
            length = constant(FMA_DEPTH)
            if size.constant is None or size.constant % FMA_DEPTH:
                left_over = combine("sub", size, at, writer.show)
                shortest = combine("min", left_over, length, writer.show)
                length = Scalar(FMA_DEPTH, writer.assign("n", shortest.text))
            a, b = (self.tile_of(self._part(v, i, at, length)) for i, v in enumerate((left, right)))
            step = replace(self, iteration=self._with_depth(length))
            writer.line(f"{name} = {step._call(a, b, name)}")
        return self._result(name, accumulator)

    def _part(self, view: View, operand: int, at: Scalar, length: Scalar) -> View:
        """A slice of an operand along the contracted dimension."""
        along_k = [dim == self.roles.k[0] for dim in self.iteration.maps[operand]]
        offsets = [at if here else constant(0) for here in along_k]
        sizes = [length if here else size for here, size in zip(along_k, view.dims, strict=True)]
        return sliced(view, offsets, sizes, [1] * len(sizes), self.writer.show)

    def _with_depth(self, length: Scalar) -> Iteration:
        sizes = tuple(length if d == self.roles.k[0] else s for d, s in enumerate(self.iteration.sizes))
        return replace(self.iteration, sizes=sizes)

    def _call(self, left: Tile, right: Tile, accumulator: str) -> str:
        wanted = self._wanted()
        a, b = (self._operand(tile, i, wanted[i]) for i, tile in enumerate((left, right)))
        return f'tl.dot({a}, {b}, acc={accumulator}, input_precision="{self.precision}")'

    def _operand(self, tile: Tile, position: int, wanted: Groups) -> str:
        """An operand in its own element type, zero in lanes past the contracted sizes, in the shape of a dot."""
        dims, sizes, writer = self.iteration.maps[position], self.iteration.sizes, self.writer
        text = converted(tile.text, tile.held, tile.element)
        ragged = [k for k in self.roles.k if not is_exact(sizes[k], self.extent([k]))]
        if tile.padding != 0.0 and ragged:
            mask = mask_text(tile.dims, writer, only=[d for d, dim in enumerate(dims) if dim in ragged])
            text = f"tl.where({without_parentheses(mask)}, {text}, 0.0)"
        return self._flattened(text, _own(tile, dims, writer), wanted)

    def _wanted(self) -> list[Groups]:
        """The dimensions behind each axis of both operands and the result, in the order a dot takes them."""
        head = [self.roles.batch] if self.roles.batch else []
        m, n, k = self.roles.m, self.roles.n, self.roles.k
        return [[*head, *shape] for shape in ((m, k), (k, n), (m, n))]

    def _flattened(self, text: str, own: list[int], wanted: Groups) -> str:
        """A value with axes `own` in the order of `wanted`, one axis per group."""
        text = permuted(text, [own.index(d) for group in wanted for d in group])
        if all(len(group) == 1 for group in wanted):
            return text
        return f"tl.reshape({text}, {shape_text([self.extent(group) for group in wanted])})"

    def _in_order(self, accumulator: Tile) -> str:
        own = _own(accumulator, self.iteration.maps[2], self.writer)
        return self._flattened(replace_held(accumulator, "f32").text, own, self._wanted()[2])

    def _result(self, name: str, accumulator: Tile) -> Tile:
        """The dot's value with the axes of its accumulator."""
        own = _own(accumulator, self.iteration.maps[2], self.writer)
        order = [d for group in self._wanted()[2] for d in group]
        text = name
        if any(len(group) > 1 for group in self._wanted()[2]):
            text = f"tl.reshape({name}, {shape_text([self.extent([d]) for d in order])})"
        text = permuted(text, [order.index(d) for d in own])
        return Tile(text, accumulator.dims, accumulator.element, computed_in(accumulator.element))


def _own(tile: Tile, dims: Sequence[MapDim], writer: FunctionWriter) -> list[int]:
    """The iteration dimension of each axis of a tile."""
    return [_some(dims[d]) for d in tile_axes(tile.dims, writer.smallest_extent)]


def _some(dim: MapDim) -> int:
    assert isinstance(dim, int), "a broadcast dimension has extent one"
    return dim
