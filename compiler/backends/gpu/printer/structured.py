"""`linalg.generic` on tiles: elementwise maths, reductions and contractions.

Iteration dimensions of padded extent one have no axis in the Triton values; all the others do, in iteration
order. An operand is permuted and given `None` axes to line up with them, so broadcasts cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu.printer.body import BodyPrinter, Lanes, literal_text, number_lanes
from stratagem.compiler.backends.gpu.printer.element_types import computed_in, element_type
from stratagem.compiler.backends.gpu.printer.extents import (
    along,
    is_exact,
    padded_extent,
    shape_text,
    tile_axes,
    tile_shape,
)
from stratagem.compiler.backends.gpu.printer.function_writer import FunctionWriter
from stratagem.compiler.backends.gpu.printer.memory import converted, mask_text
from stratagem.compiler.backends.gpu.printer.reductions import REDUCTIONS, Reduction
from stratagem.compiler.backends.gpu.printer.scalars import Scalar, constant, without_parentheses
from stratagem.compiler.backends.gpu.printer.values import Number, Shaped, Tile, View
from stratagem.compiler.backends.gpu.printer.windows import MapDim, Window, load_window, read_window
from stratagem.compiler.ir import location_text
from stratagem.runtime.errors import UnsupportedError


@dataclass(frozen=True)
class Iteration:
    """The iteration space of a structured operation.

    `maps` holds, per operand, how each operand dimension is indexed (None for a broadcast constant).
    """

    sizes: tuple[Scalar, ...]
    parallel: tuple[bool, ...]
    maps: tuple[tuple[MapDim, ...], ...]
    axes: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.axes)

    def position(self, dim: int) -> int:
        return self.axes.index(dim)


def iteration_of(op: Any, operands: Sequence[Shaped | Number], writer: FunctionWriter) -> Iteration:
    """Reads sizes, iterators and maps; UnsupportedError for maps that are not projected permutations."""
    maps = tuple(_dims_of(op, m) for m in ir.ArrayAttr(op.attributes["indexing_maps"]))
    kinds = [str(k) for k in ir.ArrayAttr(op.attributes["iterator_types"])]
    sizes: dict[int, Scalar] = {}
    for operand, dims in zip(operands, maps, strict=True):
        if isinstance(operand, Number):
            continue
        for dim, size in zip(dims, operand.dims, strict=True):
            if isinstance(dim, int) and (dim not in sizes or size.constant is not None):
                sizes[dim] = size
    if len(sizes) < len(kinds):
        raise UnsupportedError("an iteration dimension has no operand of its size", location=location_text(op))
    known = tuple(sizes[d] for d in range(len(kinds)))
    axes = tuple(tile_axes(known, writer.smallest_extent))
    shape = tuple(padded_extent(known[d], writer.smallest_extent) for d in axes)
    return Iteration(known, tuple("parallel" in k for k in kinds), maps, axes, shape)


def _dims_of(op: Any, attribute: Any) -> tuple[MapDim, ...]:
    dims: list[MapDim] = []
    for result in ir.AffineMapAttr(attribute).value.results:
        window = read_window(result)
        if type(result).__name__ == "AffineDimExpr" and int(result.position) not in dims:
            dims.append(int(result.position))
        elif type(result).__name__ == "AffineConstantExpr" and int(result.value) == 0:
            dims.append(None)
        elif window is not None:
            dims.append(window)
        else:
            raise UnsupportedError(
                f"the GPU backend cannot read an operand at {result}",
                hint="the kernel can run on the host member instead",
                location=location_text(op),
            )
    return tuple(dims)


def has_window(dims: Sequence[MapDim]) -> bool:
    """Whether an operand is read through a sum of iteration dimensions."""
    return any(isinstance(d, Window) for d in dims)


def expand(tile: Tile, dims: Sequence[MapDim], iteration: Iteration, writer: FunctionWriter) -> Lanes:
    """A tile lined up with the iteration axes: permuted to iteration order, `None` where it does not vary."""
    own = [dims[d] for d in tile_axes(tile.dims, writer.smallest_extent)]
    order = sorted(range(len(own)), key=lambda p: iteration.position(_some(own[p])))
    text = permuted(tile.text, order)
    varies = frozenset(_some(d) for d in own)
    if own and len(own) < iteration.rank:
        picks = ", ".join(":" if axis in varies else "None" for axis in iteration.axes)
        text = f"{text}[{picks}]"
    return Lanes(text, varies, tile.element, tile.held, None, tile.padding)


def permuted(text: str, order: Sequence[int]) -> str:
    """The Triton value with its axes reordered: axis i of the result is axis `order[i]` of the value."""
    if list(order) == list(range(len(order))):
        return text
    return f"tl.trans({text})" if len(order) == 2 else f"tl.permute({text}, {shape_text(order)})"


def _some(dim: MapDim) -> int:
    assert isinstance(dim, int), "a broadcast dimension has extent one, and windows are loaded apart"
    return dim


@dataclass
class StructuredPrinter:
    """Prints one `linalg.generic`; `tile_of` turns an operand into a loaded tile."""

    op: Any
    operands: Sequence[Shaped | Number]
    inputs: int
    iteration: Iteration
    writer: FunctionWriter
    tile_of: Callable[[Shaped], Tile]
    outer: Callable[[Any], Lanes]
    gather: Callable[[Any, list[Lanes], list[Lanes], Iteration], Lanes]

    def results(self) -> list[Tile]:
        """Prints the operation and returns one tile per result."""
        block = self.op.regions[0].blocks[0]
        body = BodyPrinter(
            self.writer,
            self._index_lanes,
            self.outer,
            lambda source, at, conditions: self.gather(source, at, conditions, self.iteration),
            lambda axes: mask_text(self.iteration.sizes, self.writer, only=sorted(axes)),
        )
        reducing = not all(self.iteration.parallel)
        combiners = self._combiners(block) if reducing else {}
        for position, argument in enumerate(block.arguments):
            if position < self.inputs or not reducing:
                self._bind(body, position, argument)
        for op in list(block.operations)[:-1]:
            if op.operation not in combiners:
                body.run(op.operation)
        yielded = list(list(block.operations)[-1].operands)
        if not reducing:
            return [self._elementwise(body.value(v), i) for i, v in enumerate(yielded)]
        return [self._reduced(body, r, i) for i, r in enumerate(combiners.values())]

    def _bind(self, body: BodyPrinter, position: int, argument: Any) -> None:
        if not list(argument.uses):
            return
        operand = self.operands[position]
        if isinstance(operand, Number):
            body.values[argument] = number_lanes(operand)
            return
        dims = self.iteration.maps[position]
        if has_window(dims):
            body.values[argument] = self._window(operand, dims)
            return
        tile = self.tile_of(operand)
        if tile.filled is not None:
            held = computed_in(tile.element)
            body.values[argument] = Lanes(
                literal_text(tile.filled), frozenset(), tile.element, held, tile.filled, tile.filled
            )
            return
        body.values[argument] = expand(tile, dims, self.iteration, self.writer)

    def _window(self, operand: Shaped, dims: Sequence[MapDim]) -> Lanes:
        if not isinstance(operand, View):
            raise UnsupportedError(
                "the GPU backend reads windows of tensors in memory only",
                hint="the kernel can run on the host member instead",
                location=location_text(self.op),
            )
        return load_window(operand, dims, self.iteration.sizes, self.iteration.axes, self.writer)

    def _index_lanes(self, dim: int) -> Lanes:
        if dim not in self.iteration.axes:
            return Lanes("0", frozenset(), "index", "index", 0)
        position = self.iteration.position(dim)
        lanes = self.writer.lanes(self.iteration.shape[position])
        return Lanes(along(lanes, position, self.iteration.rank), frozenset([dim]), "index", "index")

    def _elementwise(self, value: Lanes, output: int) -> Tile:
        dims = self.iteration.maps[self.inputs + output]
        out_dims = self._sizes(dims)
        if value.literal is not None:
            return filled_tile(value.literal, out_dims, value.element, self.writer)
        order = [self.iteration.position(d) for d in dims if d in self.iteration.axes]
        name = self.writer.assign("y", permuted(self._spread(value), order))
        return Tile(name, out_dims, value.element, value.held, value.padding)

    def _sizes(self, dims: Sequence[MapDim]) -> tuple[Scalar, ...]:
        """Sizes of a result, one where its map has a constant."""
        return tuple(constant(1) if d is None else self.iteration.sizes[_some(d)] for d in dims)

    def _spread(self, value: Lanes) -> str:
        """The value with all iteration axes."""
        if value.axes == frozenset(self.iteration.axes):
            return value.text
        if not self.iteration.rank:
            return value.text
        shape = shape_text(self.iteration.shape)
        if not value.axes:
            return f"tl.full({shape}, {without_parentheses(value.text)}, {element_type(value.held).tl})"
        return f"tl.broadcast_to({without_parentheses(value.text)}, {shape})"

    def _combiners(self, block: Any) -> dict[Any, tuple[Reduction, Any]]:
        """For each result: the operation that folds a value into the accumulator -> its meaning and that
        value.
        """
        found: dict[Any, tuple[Reduction, Any]] = {}
        outputs = list(block.arguments)[self.inputs :]
        for accumulator, value in zip(outputs, list(block.operations)[-1].operands, strict=True):
            op = value.owner.operation if isinstance(value, ir.OpResult) else None
            uses = len(list(accumulator.uses))
            if op is None or op.name not in REDUCTIONS or uses != 1 or accumulator not in list(op.operands):
                raise UnsupportedError(
                    "the GPU backend cannot reduce with this body",
                    hint=f"each result must fold one value into its accumulator by {', '.join(REDUCTIONS)}",
                    location=location_text(self.op),
                )
            left, right = op.operands
            found[op] = (REDUCTIONS[op.name], right if left == accumulator else left)
        return found

    def _reduced(self, body: BodyPrinter, reduction: tuple[Reduction, Any], output: int) -> Tile:
        kind, operand = reduction
        value = body.computed(operand)
        if kind.call in ("_all", "_any") and value.element != "i1":
            raise UnsupportedError("the GPU backend reduces by and/or on i1 only", location=location_text(self.op))
        dims = self.iteration.maps[self.inputs + output]
        out_dims = self._sizes(dims)
        text = self._masked(value, kind)
        gone = [p for p, d in enumerate(self.iteration.axes) if not self.iteration.parallel[d]]
        for position in reversed(gone):
            text = f"{kind.call}({without_parentheses(text)}, {position})"
            self.writer.helpers.update({kind.call} if kind.call.startswith("_") else ())
        kept = [d for d in self.iteration.axes if d in dims]
        text = permuted(text, [kept.index(d) for d in dims if d in kept])
        initial = self.tile_of(_shaped(self.operands[self.inputs + output]))
        if initial.filled is None or initial.filled != kind.neutral(value.element):
            start = replace_held(initial, computed_in(initial.element))
            text = kind.fold(start.text, text)
        name = self.writer.assign("r", text)
        return Tile(name, out_dims, value.element, computed_in(value.element))

    def _masked(self, value: Lanes, kind: Reduction) -> str:
        """The value with all axes, and the reduction's neutral element in lanes past the reduced sizes."""
        text = self._spread(value)
        reduced = [d for d in self.iteration.axes if not self.iteration.parallel[d]]
        ragged = [
            d
            for d in reduced
            if not is_exact(
                self.iteration.sizes[d], padded_extent(self.iteration.sizes[d], self.writer.smallest_extent)
            )
        ]
        neutral = kind.neutral(value.element)
        if not ragged or (value.padding == neutral and value.axes.issuperset(ragged)):
            return text
        mask = mask_text(self.iteration.sizes, self.writer, only=ragged)
        return f"tl.where({without_parentheses(mask)}, {without_parentheses(text)}, {literal_text(neutral)})"


def replace_held(tile: Tile, wanted: str) -> Tile:
    """The tile held in another element type."""
    if tile.held == wanted:
        return tile
    return replace(tile, text=converted(tile.text, tile.held, wanted), held=wanted)


def filled_tile(value: float | int, dims: tuple[Scalar, ...], element: str, writer: FunctionWriter) -> Tile:
    """A tile with one value in every lane, padding included."""
    held = computed_in(element)
    value = float(value) if element_type(element).floating else int(value)
    shape = shape_text(tile_shape(dims, writer.smallest_extent))
    text = f"tl.full({shape}, {literal_text(value)}, {element_type(held).tl})"
    return Tile(text, dims, element, held, padding=float(value), filled=value)


def _shaped(operand: Shaped | Number) -> Shaped:
    if isinstance(operand, Number):
        raise UnsupportedError("a result of a structured operation cannot be a scalar")
    return operand
