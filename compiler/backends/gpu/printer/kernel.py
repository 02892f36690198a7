"""A device-form kernel as Triton source and a launch plan: one Triton function per phase."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu import expressions
from stratagem.compiler.backends.gpu.expressions import Expression
from stratagem.compiler.backends.gpu.plan import Argument, KernelPlan, Launch, Scratch
from stratagem.compiler.backends.gpu.printer.body import constant_number
from stratagem.compiler.backends.gpu.printer.contraction import SMALLEST_DEPTH, TooShallowError, is_contraction
from stratagem.compiler.backends.gpu.printer.element_types import element_type
from stratagem.compiler.backends.gpu.printer.function_writer import Assertions, FunctionWriter
from stratagem.compiler.backends.gpu.printer.phase import Known, PhasePrinter
from stratagem.compiler.backends.gpu.printer.reshapes import reassociation
from stratagem.compiler.backends.gpu.printer.scalar_code import index_scalar, is_index_operation
from stratagem.compiler.backends.gpu.printer.scalar_operations import HELPERS
from stratagem.compiler.backends.gpu.printer.scalars import Scalar, combine, constant, dynamic_extent
from stratagem.compiler.backends.gpu.printer.values import Buffer, Number, View, whole
from stratagem.compiler.ir import DYNAMIC, location_text, symbol_name, walk
from stratagem.runtime.errors import UnsupportedError

HEADER = "import triton\nimport triton.language as tl\n"


@dataclass(frozen=True)
class Schedule:
    """The schedule numbers Triton needs per phase: warps of a program and stages of its loops."""

    warps: int
    stages: int


@dataclass(frozen=True)
class PhaseFacts:
    """What the schedule of a phase depends on.

    Attributes:
        has_dot: whether it multiplies matrices. largest_tile: elements of its largest register tile (accumulators only,
        where there is a dot). stage_bytes: bytes loaded by one step of its staging loops.
    """

    has_dot: bool
    largest_tile: int
    stage_bytes: int


Scheduler = Callable[[Any, PhaseFacts], Schedule]


@dataclass(frozen=True)
class PrintedKernel:
    """The Triton module text and the plan that launches its functions."""

    source: str
    plan: KernelPlan


def print_kernel(function: Any, schedule: Scheduler, precision: str = "ieee") -> PrintedKernel:
    """Prints a kernel whose structured operations are all `linalg.generic`.

    Args:
        function: the `func.func` of the kernel, in device form.
        schedule: warps and stages of a phase, given its `scf.forall` and facts of it.
        precision: how `tl.dot` multiplies f32: `ieee`, `tf32` or `tf32x3`.

    Raises UnsupportedError naming the operation that has no Triton form.
    """
    return KernelPrinter(function, schedule, precision).run()


class KernelPrinter:
    """Walks the function around the phases; the host computes everything in it."""

    def __init__(self, function: Any, schedule: Scheduler, precision: str) -> None:
        self.function = function
        self.name = re.sub(r"\W", "_", symbol_name(function))
        self.schedule = schedule
        self.precision = precision
        self.values: dict[Any, Known] = {}
        self.arguments: list[Argument] = []
        self.scratch: list[Scratch] = []
        self.writers: list[FunctionWriter] = []
        self.launches: list[Launch] = []
        self.destinations: list[int] = []
        self.assertions = Assertions(self._reserve_status)
        self._status_at = -1

    def run(self) -> PrintedKernel:
        self._bind_arguments()
        for op in self.function.regions[0].blocks[0].operations:
            self._operation(op.operation)
        if not self.launches:
            raise UnsupportedError(
                f"kernel '{self.name}' has no phase (a top-level scf.forall) to run on the GPU",
                hint="sequential kernels run on the host member",
                location=location_text(self.function),
            )
        helpers = set().union(*(w.helpers for w in self.writers))
        helpers |= {inner for inner in HELPERS if any(f"{inner}(" in HELPERS[h] for h in helpers)}
        parts = [HEADER, *(HELPERS[h] for h in HELPERS if h in helpers), *(w.source() for w in self.writers)]
        plan = KernelPlan(self.name, tuple(self.arguments), tuple(self._all_scratch()), tuple(self.launches))
        return PrintedKernel("\n\n".join(parts), plan)

    def _bind_arguments(self) -> None:
        attributes = self._argument_attributes()
        arguments = list(self.function.regions[0].blocks[0].arguments)
        for index, (argument, attribute) in enumerate(zip(arguments, attributes, strict=True)):
            dest = "device.dest" in attribute
            if isinstance(argument.type, ir.RankedTensorType):
                self.values[argument] = whole(self._argument_buffer(index, argument.type, dest))
            else:
                self.values[argument] = self._scalar_argument(index, str(argument.type))

    def _argument_attributes(self) -> list[Any]:
        count = len(self.function.regions[0].blocks[0].arguments)
        if "arg_attrs" not in self.function.attributes:
            return [{}] * count
        return [ir.DictAttr(d) for d in ir.ArrayAttr(self.function.attributes["arg_attrs"])]

    def _argument_buffer(self, index: int, kind: Any, dest: bool) -> Buffer:
        element = str(kind.element_type)
        element_type(element)
        static = [None if n == DYNAMIC else n for n in kind.shape]
        self.arguments.append(Argument(element, tuple(static), "dest" if dest else "in"))
        if dest:
            self.destinations.append(index)
        name = f"out{len(self.destinations) - 1}" if dest else f"in{index - len(self.destinations)}"
        dims = tuple(dynamic_extent(index, d) if n is None else constant(n) for d, n in enumerate(static))
        return Buffer(index, name, element, dims, writable=dest)

    def _scalar_argument(self, index: int, element: str) -> Known:
        self.arguments.append(Argument(element, None, "scalar"))
        if element == "index":
            return Scalar(high=2**31 - 2**16 - 1, host=["arg", index])
        return Number("", element, host=["arg", index])

    def _operation(self, op: Any) -> None:
        result = op.results[0] if len(op.results) else None
        if op.name == "scf.forall":
            self._phase(op)
        elif op.name == "func.return":
            self._check_results(op)
        elif op.name == "arith.constant":
            self._constant(op)
        elif op.name == "tensor.dim":
            self.values[result] = self._view(op.operands[0]).dims[self._index(op.operands[1]).constant or 0]
        elif op.name == "tensor.empty":
            self.values[result] = whole(self._scratch(op))
        elif op.name == "tensor.cast":
            self.values[result] = self._view(op.operands[0])
        elif op.name in ("tensor.collapse_shape", "tensor.expand_shape"):
            self.values[result] = self._reshaped(op)
        elif is_index_operation(op):
            self.values[result] = index_scalar(op, self._index, _no_text)
        else:
            raise UnsupportedError(
                f"the GPU backend cannot run `{op.name}` between the phases of a kernel",
                hint="a kernel is a sequence of scf.forall phases and index arithmetic",
                location=location_text(op),
            )

    def _constant(self, op: Any) -> None:
        kind = op.results[0].type
        if isinstance(kind, ir.IndexType):
            self.values[op.results[0]] = constant(int(ir.IntegerAttr(op.attributes["value"]).value))
        elif isinstance(kind, ir.RankedTensorType):
            raise UnsupportedError(
                "the GPU backend has no constant tensors between phases",
                hint="pass the constant as an argument of the kernel",
                location=location_text(op),
            )
        else:
            self.values[op.results[0]] = constant_number(op)

    def _scratch(self, op: Any) -> Buffer:
        kind = ir.RankedTensorType(op.results[0].type)
        dynamic = iter(op.operands)
        dims = tuple(self._index(next(dynamic)) if n == DYNAMIC else constant(n) for n in kind.shape)
        size = expressions.product([d.host for d in dims if d.host is not None])
        return self._add_scratch(Scratch(str(kind.element_type), size), dims)

    def _add_scratch(self, scratch: Scratch, dims: tuple[Scalar, ...]) -> Buffer:
        number = len(self.scratch)
        self.scratch.append(scratch)
        arguments = len(self.function.regions[0].blocks[0].arguments)
        return Buffer(arguments + number, f"scratch{number}", scratch.dtype, dims, writable=True)

    def _reserve_status(self) -> Buffer:
        """A place for the status words; how many there are is known when all phases are printed."""
        self._status_at = len(self.scratch)
        return self._add_scratch(Scratch("i32", 0), (constant(1),))

    def _all_scratch(self) -> list[Scratch]:
        messages = tuple(self.assertions.messages)
        status = Scratch("i32", len(messages), messages)
        return [status if i == self._status_at else s for i, s in enumerate(self.scratch)]

    def _reshaped(self, op: Any) -> View:
        """The same memory read with another shape; every view between phases is a whole dense buffer."""
        buffer = self._view(op.operands[0]).buffer
        groups = reassociation(op)
        if op.name == "tensor.collapse_shape":
            dims = [_extents_product([buffer.shape[d] for d in group]) for group in groups]
        else:
            static = iter(ir.DenseI64ArrayAttr(op.attributes["static_output_shape"]))
            dynamic = iter(list(op.operands)[1:])
            dims = [self._index(next(dynamic)) if n == DYNAMIC else constant(n) for n in static]
        return whole(Buffer(buffer.index, buffer.name, buffer.element, tuple(dims), buffer.writable))

    def _phase(self, op: Any) -> None:
        operands = list(op.operands)
        outputs = operands[len(operands) - len(op.results) :]
        buffers = [self._view(o).buffer for o in outputs]
        for buffer in buffers:
            if not buffer.writable:
                raise UnsupportedError(
                    f"a phase of kernel '{self.name}' updates {buffer.name}, which is no destination",
                    hint="mark the argument device.dest, or start from tensor.empty",
                    location=location_text(op),
                )
        writer, grid = self._printed_phase(op, buffers)
        has_dot = any(o.name == "linalg.generic" and is_contraction(o) for o in walk(op))
        chosen = self.schedule(op, PhaseFacts(has_dot, writer.largest_tile, writer.stage_bytes))
        self.writers.append(writer)
        self.launches.append(
            Launch(writer.name, grid, writer.parameters, chosen.warps, chosen.stages, writer.stage_bytes)
        )
        for result, buffer in zip(op.results, buffers, strict=True):
            self.values[result] = whole(buffer)

    def _printed_phase(self, op: Any, buffers: list[Buffer]) -> tuple[FunctionWriter, Expression]:
        """The function of a phase and its grid; tiles are widened only where a dot is too shallow without."""
        name = f"{self.name}_{len(self.writers)}"
        try:
            writer = FunctionWriter(name, 1, self.assertions)
            return writer, PhasePrinter(self.values, writer, self.precision).forall(op, buffers)
        except TooShallowError:
            writer = FunctionWriter(name, SMALLEST_DEPTH, self.assertions)
            return writer, PhasePrinter(self.values, writer, self.precision).forall(op, buffers)

    def _check_results(self, op: Any) -> None:
        indices = [self._view(o).buffer.index for o in op.operands]
        if indices != self.destinations:
            raise UnsupportedError(
                f"kernel '{self.name}' must return its destinations in order",
                hint="result i of a kernel is destination i, updated by its phases",
                location=location_text(op),
            )

    def _index(self, value: Any) -> Scalar:
        known = self.values.get(value)
        if not isinstance(known, Scalar):
            raise UnsupportedError(f"kernel '{self.name}' computes an index the launcher cannot")
        return known

    def _view(self, value: Any) -> View:
        known = self.values.get(value)
        if not isinstance(known, View):
            raise UnsupportedError(f"kernel '{self.name}' uses a tensor that is not in device memory between phases")
        return known


def _extents_product(sizes: list[Scalar]) -> Scalar:
    total = constant(1)
    for size in sizes:
        total = combine("mul", total, size, _no_text)
    return total


def _no_text(scalar: Scalar) -> str:
    raise AssertionError("values between phases are computed by the host")
