"""One phase of a kernel (a top-level `scf.forall`) as one Triton function, a program per iteration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu import expressions
from stratagem.compiler.backends.gpu.expressions import Expression
from stratagem.compiler.backends.gpu.printer import memory, reshapes
from stratagem.compiler.backends.gpu.printer.body import Lanes, constant_number, number_lanes
from stratagem.compiler.backends.gpu.printer.contraction import dot_roles, is_contraction, print_dot
from stratagem.compiler.backends.gpu.printer.element_types import computed_in, element_type
from stratagem.compiler.backends.gpu.printer.extents import tile_shape
from stratagem.compiler.backends.gpu.printer.function_writer import FunctionWriter
from stratagem.compiler.backends.gpu.printer.gather import print_gather
from stratagem.compiler.backends.gpu.printer.loop import print_loop
from stratagem.compiler.backends.gpu.printer.scalar_code import index_scalar, is_index_operation
from stratagem.compiler.backends.gpu.printer.scalars import Scalar, combine, constant
from stratagem.compiler.backends.gpu.printer.structured import (
    Iteration,
    StructuredPrinter,
    filled_tile,
    iteration_of,
)
from stratagem.compiler.backends.gpu.printer.values import Buffer, Number, Shaped, Tile, Unset, View, whole
from stratagem.compiler.ir import DYNAMIC, location_text
from stratagem.runtime.errors import UnsupportedError

Known = Scalar | Shaped | Number


class PhasePrinter:
    """Prints the body of one forall. `values` holds what the function around it already computed."""

    def __init__(self, values: Mapping[Any, Known], writer: FunctionWriter, precision: str) -> None:
        self.values: dict[Any, Known] = dict(values)
        self.writer = writer
        self.precision = precision
        self.loaded: dict[int, tuple[View, Tile]] = {}
        self.written_in_place: set[int] = set()
        self._handlers: dict[str, Callable[[Any], None]] = {
            "arith.constant": self._constant,
            "linalg.generic": self._structured,
            "scf.for": lambda op: print_loop(self, op),
            "scf.forall.in_parallel": self._insertions,
            "tensor.cast": self._cast,
            "tensor.collapse_shape": self._reshape,
            "tensor.dim": self._dim,
            "tensor.empty": self._empty,
            "tensor.expand_shape": self._reshape,
            "tensor.extract_slice": self._slice,
            "tensor.insert_slice": self._insert_in_place,
        }

    def forall(self, op: Any, buffers: list[Buffer]) -> Expression:
        """Prints the phase; returns the number of programs. `buffers` are the shared outputs."""
        lower, upper, step = forall_bounds(op, self.scalar)
        counts = [
            combine("ceildiv", combine("sub", u, low, self._show), s, self._show)
            for low, u, s in zip(lower, upper, step, strict=True)
        ]
        block = op.regions[0].blocks[0]
        self._program_ids(lower, upper, step, counts, list(block.arguments)[: len(lower)])
        for argument, buffer in zip(list(block.arguments)[len(lower) :], buffers, strict=True):
            self.values[argument] = whole(buffer)
        self.block(block)
        return expressions.product([_host(c) for c in counts])

    def block(self, block: Any) -> None:
        """Prints the operations of a block, its terminator left out unless it stores."""
        for op in block.operations:
            if op.operation.name != "scf.yield":
                self._operation(op.operation)

    def scalar(self, value: Any) -> Scalar:
        known = self.values.get(value)
        if not isinstance(known, Scalar):
            raise UnsupportedError("the GPU backend cannot compute an index from tensor contents outside a generic")
        return known

    def shaped(self, value: Any) -> Shaped:
        known = self.values.get(value)
        if not isinstance(known, View | Tile | Unset):
            raise UnsupportedError(f"the GPU backend does not know the tensor {value.type} used here")
        return known

    def tile_of(self, operand: Shaped) -> Tile:
        """The operand in registers: loaded once per scope; contents that do not matter become zero."""
        if isinstance(operand, Tile):
            return operand
        if isinstance(operand, Unset):
            return filled_tile(0, operand.dims, operand.element, self.writer)
        if operand.buffer.index in self.written_in_place:
            raise UnsupportedError(
                f"one phase stores slices of {operand.buffer.name} and reads it back",
                hint="split the kernel into two phases",
            )
        if id(operand) not in self.loaded:
            self.loaded[id(operand)] = (operand, memory.load(operand, self.writer))
        return self.loaded[id(operand)][1]

    def store(self, source: Shaped, target: View, op: Any) -> None:
        """Puts a tile into a slice of a destination; nothing to do for a part that was updated in place."""
        if isinstance(source, View) and source.buffer.index == target.buffer.index:
            if (source.offsets, source.steps) == (target.offsets, target.steps):
                return
            raise UnsupportedError("a phase moves data inside one buffer", location=location_text(op))
        if not isinstance(source, Unset):
            memory.store(self.tile_of(source), target, self.writer)

    def _show(self, scalar: Scalar) -> str:
        return self.writer.show(scalar)

    def _program_ids(
        self,
        lower: list[Scalar],
        upper: list[Scalar],
        step: list[Scalar],
        counts: list[Scalar],
        arguments: list[Any],
    ) -> None:
        """Derives the induction variables from one linear program id, the last one running fastest."""
        pid = Scalar(max([1, *(u.high for u in upper)]), "tl.program_id(0)")
        moving = [d for d, count in enumerate(counts) if count.constant != 1]
        if len(moving) > 1:
            pid = Scalar(pid.high, self.writer.assign("pid", "tl.program_id(0)"))
        for d, argument in enumerate(arguments):
            if d not in moving:
                self.values[argument] = lower[d]
                continue
            position = self._position(pid, counts, [m for m in moving if m >= d], first=d == moving[0])
            position = Scalar(upper[d].high // (step[d].constant or 1), position.text)
            value = combine("add", combine("mul", position, step[d], self._show), lower[d], self._show)
            self.values[argument] = Scalar(max(1, upper[d].high - 1), self.writer.assign("i", value.text))

    def _position(self, pid: Scalar, counts: list[Scalar], inner: list[int], first: bool) -> Scalar:
        """Index along one grid dimension; `inner` are that dimension and the faster ones."""
        below = expressions.product([_host(counts[d]) for d in inner[1:]])
        value = combine("floordiv", pid, Scalar(_bound(counts, inner[1:]), host=below), self._show)
        return value if first else combine("mod", value, counts[inner[0]], self._show)

    def _operation(self, op: Any) -> None:
        if op.name in self._handlers:
            self._handlers[op.name](op)
        elif is_index_operation(op):
            result = index_scalar(op, self.scalar, self._show)
            self.values[op.results[0]] = self._named(result)
        else:
            raise UnsupportedError(
                f"the GPU backend cannot print `{op.name}` inside a phase",
                hint="the kernel can run on the host member instead",
                location=location_text(op),
            )

    def _named(self, scalar: Scalar) -> Scalar:
        if scalar.host is not None:
            return scalar
        return Scalar(scalar.high, self.writer.assign("n", scalar.text))

    def _constant(self, op: Any) -> None:
        kind = op.results[0].type
        if isinstance(kind, ir.RankedTensorType):
            self.values[op.results[0]] = constant_tile(op, self.writer)
        elif isinstance(kind, ir.IndexType):
            self.values[op.results[0]] = constant(int(ir.IntegerAttr(op.attributes["value"]).value))
        else:
            self.values[op.results[0]] = constant_number(op)

    def _dim(self, op: Any) -> None:
        at = self.scalar(op.operands[1]).constant
        if at is None:
            raise UnsupportedError("tensor.dim of a dimension only known at run time", location=location_text(op))
        self.values[op.results[0]] = self.shaped(op.operands[0]).dims[at]

    def _empty(self, op: Any) -> None:
        kind = ir.RankedTensorType(op.results[0].type)
        dynamic = iter(op.operands)
        dims = tuple(self.scalar(next(dynamic)) if n == DYNAMIC else constant(n) for n in kind.shape)
        self.values[op.results[0]] = Unset(dims, str(kind.element_type))

    def _cast(self, op: Any) -> None:
        self.values[op.results[0]] = self.shaped(op.operands[0])

    def _slice(self, op: Any) -> None:
        source = self.shaped(op.operands[0])
        offsets, sizes, strides = reshapes.slice_numbers(op, self.scalar)
        kept = reshapes.kept_dimensions(*_static_shapes(op, ir.RankedTensorType(op.results[0].type)))
        if isinstance(source, Unset):
            self.values[op.results[0]] = Unset(tuple(sizes[d] for d in kept), source.element)
        elif isinstance(source, View):
            part = reshapes.sliced(source, offsets, sizes, strides, self._show)
            self.values[op.results[0]] = reshapes.only_dimensions(part, kept)
        elif all(o.constant == 0 for o in offsets) and sizes == list(source.dims):
            self.values[op.results[0]] = _picked(source, kept)
        else:
            raise UnsupportedError(
                "the GPU backend cannot take a slice of a value held in registers",
                hint="slice the tensor in memory, or split the kernel into two phases",
                location=location_text(op),
            )

    def _insert_in_place(self, op: Any) -> None:
        source, target = self.shaped(op.operands[0]), self.shaped(op.operands[1])
        if not isinstance(target, View):
            raise UnsupportedError(
                "the GPU backend cannot update a slice of a value held in registers",
                hint="insert into a slice of a destination instead",
                location=location_text(op),
            )
        self.store(source, self._target(op, target), op)
        self.written_in_place.add(target.buffer.index)
        self.values[op.results[0]] = target

    def _target(self, op: Any, target: View) -> View:
        offsets, sizes, strides = reshapes.slice_numbers(op, self.scalar)
        kept = reshapes.kept_dimensions(*_static_shapes(op, ir.RankedTensorType(op.operands[0].type)))
        return reshapes.only_dimensions(reshapes.sliced(target, offsets, sizes, strides, self._show), kept)

    def _insertions(self, op: Any) -> None:
        for inner in op.regions[0].blocks[0].operations:
            target = self.shaped(inner.operands[1])
            assert isinstance(target, View), "shared outputs are buffers"
            self.store(self.shaped(inner.operands[0]), self._target(inner.operation, target), inner)

    def _reshape(self, op: Any) -> None:
        source = self.shaped(op.operands[0])
        expanding = op.name == "tensor.expand_shape"
        picks = reshapes.regrouped_dims(source.dims, reshapes.reassociation(op), expanding, op)
        self.values[op.results[0]] = _picked(source, picks)

    def _structured(self, op: Any) -> None:
        operands = [self._operand(o) for o in op.operands]
        iteration = iteration_of(op, operands, self.writer)
        if is_contraction(op) and (roles := dot_roles(iteration)):
            tile = print_dot(operands, iteration, roles, self.precision, self.tile_of, self.writer)
            if tile is not None:
                self.values[op.results[0]] = tile
                self._count(tile.dims)
                return
        inputs = next(iter(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"])))
        self._count(iteration.sizes)
        printer = StructuredPrinter(
            op, operands, inputs, iteration, self.writer, self.tile_of, self._outer_lanes, self._gather
        )
        for result, tile in zip(op.results, printer.results(), strict=True):
            self.values[result] = tile

    def _count(self, dims: tuple[Scalar, ...]) -> None:
        """Keeps the size of the largest tile, and refuses tiles that are too large for Triton."""
        elements = prod(tile_shape(dims, self.writer.smallest_extent))
        self.writer.largest_tile = max(self.writer.largest_tile, elements)

    def _operand(self, value: Any) -> Shaped | Number:
        known = self.values.get(value)
        if isinstance(known, Scalar):
            return Number(self._show(known), "index", known.constant)
        if isinstance(known, Number) and known.host is not None:
            return self._argument(known.host, known.element)
        return known if isinstance(known, Number) else self.shaped(value)

    def _argument(self, host: Expression, element: str) -> Number:
        """A scalar argument; one of 16 bits travels as the f32 it is computed in."""
        kind, wide = element_type(element), element_type(computed_in(element))
        name = self.writer.number(host, wide.signature)
        return Number(name if kind == wide else f"{name}.to({kind.tl})", element)

    def _outer_lanes(self, value: Any) -> Lanes:
        known = self._operand(value)
        if isinstance(known, Number):
            return number_lanes(known)
        raise UnsupportedError("the GPU backend reads whole tensors in a generic through its operands only")

    def _gather(self, source: Any, at: list[Lanes], conditions: list[Lanes], iteration: Iteration) -> Lanes:
        return print_gather(self.shaped(source), at, conditions, iteration, self.writer)


def forall_bounds(op: Any, scalar_of: Callable[[Any], Scalar]) -> tuple[list[Scalar], list[Scalar], list[Scalar]]:
    """Lower bounds, upper bounds and steps of a forall."""
    operands = iter(op.operands)
    lower, upper, step = (
        [scalar_of(next(operands)) if n == DYNAMIC else constant(n) for n in ir.DenseI64ArrayAttr(op.attributes[key])]
        for key in ("staticLowerBound", "staticUpperBound", "staticStep")
    )
    if any(s.host is None for s in (*lower, *upper, *step)):
        raise UnsupportedError("the bounds of a phase must be computable before it starts", location=location_text(op))
    return lower, upper, step


def constant_tile(op: Any, writer: FunctionWriter) -> Tile:
    """A dense constant with one value; other constants must come in as arguments."""
    value = ir.DenseElementsAttr(op.attributes["value"])
    kind = ir.RankedTensorType(op.results[0].type)
    if not value.is_splat:
        raise UnsupportedError(
            "the GPU backend has no constant tensors of several values inside a kernel",
            hint="pass the constant as an argument of the kernel",
            location=location_text(op),
        )
    number = value.get_splat_value().value
    return filled_tile(number, tuple(constant(n) for n in kind.shape), str(kind.element_type), writer)


def _picked(source: Shaped, picks: list[int | None] | list[int]) -> Shaped:
    """The value with dimensions dropped, or added (None) with extent one."""
    dims = tuple(constant(1) if p is None else source.dims[p] for p in picks)
    if isinstance(source, View):
        axes = tuple(None if p is None else source.axes[p] for p in picks)
        return View(source.buffer, source.offsets, source.steps, dims, axes)
    if isinstance(source, Tile):
        return Tile(source.text, dims, source.element, source.held, source.padding, source.filled)
    return Unset(dims, source.element)


def _static_shapes(op: Any, reduced: Any) -> tuple[list[int], list[int]]:
    sizes = [-1 if n == DYNAMIC else n for n in ir.DenseI64ArrayAttr(op.attributes["static_sizes"])]
    return sizes, [-1 if n == DYNAMIC else n for n in reduced.shape]


def _host(scalar: Scalar) -> Expression:
    assert scalar.host is not None, "forall bounds are computed by the host"
    return scalar.host


def _bound(counts: list[Scalar], dims: list[int]) -> int:
    total = 1
    for d in dims:
        total *= max(1, counts[d].high)
    return total
