"""linalg.generic on addressable views as a nest of C loops.

Parallel loops are outermost, reductions innermost, so that a running result stays in a register:

    for i: for j: { T acc0 = out[i,j]; for k: acc0 = acc0 + a[i,k] * b[k,j]; out[i,j] = acc0; }
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.upmem.affine import affine_text_or_index
from stratagem.compiler.backends.upmem.dtypes import dtype_of
from stratagem.compiler.backends.upmem.geometry import block_of, body_operations, is_tensor, terminator
from stratagem.compiler.backends.upmem.operations import macro_name
from stratagem.compiler.backends.upmem.scalars import Scalar
from stratagem.compiler.backends.upmem.scope import Scope
from stratagem.compiler.backends.upmem.symbols import Index, Variable, product_text
from stratagem.compiler.backends.upmem.views import View
from stratagem.compiler.ir import location_text, walk
from stratagem.runtime.errors import UnsupportedError

Operand = View | Scalar


class LinalgNest:
    """One linalg.generic being written.

    Args:
        operands: inputs, then outputs, in the op's order. count: whether cost counters are written too.
        pick: reads the element a tensor.extract in the region names.
    """

    def __init__(
        self, scope: Scope, op: Any, operands: list[Operand], count: bool, pick: Callable[[Any], Scalar]
    ) -> None:
        self.scope, self.op, self.operands, self.count, self.pick = scope, op, operands, count, pick
        self.maps = [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(op.attributes["indexing_maps"])]
        kinds = [str(a) for a in ir.ArrayAttr(op.attributes["iterator_types"])]
        self.reductions = [d for d, kind in enumerate(kinds) if "reduction" in kind]
        self.parallels = [d for d, kind in enumerate(kinds) if "reduction" not in kind]
        self.outputs = len(op.results)
        self.extents = [self._extent(d) for d in range(len(kinds))]
        self.variables: dict[int, Index] = {}

    def write(self) -> None:
        """Writes the loops and, after them, how much work they were."""
        self._write_captured()
        self.scope.costs.clear()
        with ExitStack() as stack:
            self._enter(stack, self.parallels)
            self._write_point()
        if self.count:
            self._write_counts()

    def _extent(self, dimension: int) -> Index:
        for affine_map, operand in zip(self.maps, self.operands, strict=True):
            for axis, result in enumerate(affine_map.results):
                one = result.maybe_downcast()
                if isinstance(one, ir.AffineDimExpr) and one.position == dimension and isinstance(operand, View):
                    return operand.sizes[axis]
        raise UnsupportedError(
            f"loop {dimension} of {self.op.name} is the plain index of no operand, so its extent is unknown",
            location=location_text(self.op),
        )

    def _write_captured(self) -> None:
        """Scalars from outside are computed before the loops."""
        inside = {result for op in walk(self.op) for result in op.results}
        arguments = set(block_of(self.op).arguments)
        for op in body_operations(self.op):
            for value in op.operands:
                if value not in inside and value not in arguments and not is_tensor(value):
                    self.scope.scalar(value)

    def _enter(self, stack: ExitStack, dimensions: list[int]) -> None:
        for dimension in dimensions:
            extent = self.extents[dimension]
            if extent == Index(1):
                self.variables[dimension] = Index(0)
                continue
            name = self.scope.fresh("i")
            head = f"for ({self.scope.integer} {name} = 0; {name} < {extent}; ++{name})"
            stack.enter_context(self.scope.block(head))
            high = None if extent.high is None else extent.high - 1
            self.variables[dimension] = Index.of(Variable(name, 0, high))

    def _element(self, number: int) -> str:
        operand = self.operands[number]
        if isinstance(operand, Scalar):
            return operand.text
        dims = [self.variables.get(d, Index(0)) for d in range(self.maps[number].n_dims)]
        return operand.element(affine_text_or_index(self.maps[number], dims, self.scope))

    def _write_point(self) -> None:
        """The code at one point of the parallel loops."""
        first = len(self.operands) - self.outputs
        arguments = list(block_of(self.op).arguments)
        places = [self._element(first + k) for k in range(self.outputs)]
        names = []
        for k, place in enumerate(places):
            dtype = dtype_of(arguments[first + k].type)
            name = self.scope.fresh("acc" if self.reductions else "old")
            names.append(name)
            if self.reductions or _used(arguments[first + k]):
                start = place if _used(arguments[first + k]) else "0"
                self.scope.line(f"{'' if self.reductions else 'const '}{dtype.c} {name} = {start};")
            self.scope.bind(arguments[first + k], Scalar(name, dtype))
        if not self.reductions:
            self._write_body(places)
            return
        with ExitStack() as stack:
            self._enter(stack, self.reductions)
            self._write_body(names)
        for place, name in zip(places, names, strict=True):
            self.scope.line(f"{place} = {name};")

    def _write_body(self, targets: list[str]) -> None:
        """Loads, the operations of the region, and stores to `targets`."""
        arguments = list(block_of(self.op).arguments)
        for number, argument in enumerate(arguments[: len(arguments) - self.outputs]):
            if _used(argument):
                self.scope.bind(argument, self._load(number, argument))
        for op in body_operations(self.op):
            if op.name == "linalg.index":
                self.scope.bind(op.results[0], self.variables[int(ir.IntegerAttr(op.attributes["dim"]).value)])
            elif op.name == "tensor.extract":
                self.scope.bind(op.results[0], self.pick(op))
        results = [self.scope.scalar(value).text for value in terminator(self.op).operands]
        if len(results) > 1:
            results = [
                self._held(text, value) for text, value in zip(results, terminator(self.op).operands, strict=True)
            ]
        for target, text in zip(targets, results, strict=True):
            self.scope.line(f"{target} = {text};")

    def _held(self, text: str, value: Any) -> str:
        """Several results are assigned at once: none may see another's new value."""
        name = self.scope.fresh("r")
        self.scope.line(f"const {dtype_of(value.type).c} {name} = {text};")
        return name

    def _load(self, number: int, argument: Any) -> Scalar:
        dtype = dtype_of(argument.type)
        operand = self.operands[number]
        if isinstance(operand, Scalar):
            return operand
        name = self.scope.fresh("x")
        self.scope.line(f"const {dtype.c} {name} = {self._element(number)};")
        return Scalar(name, dtype)

    def _write_counts(self) -> None:
        trips = product_text(self.extents)
        per_point = Counter(self.scope.costs)
        self.scope.line(f"SG_COUNT({macro_name('LOOP')}, {trips});")
        for cost, times in sorted(per_point.items()):
            factor = "" if times == 1 else f"{times} * "
            self.scope.line(f"SG_COUNT({macro_name(cost)}, {factor}{trips});")


def reads_output(op: Any, number: int) -> bool:
    """Whether output `number` of a linalg.generic is read before it is written."""
    arguments = list(block_of(op).arguments)
    return _used(arguments[len(arguments) - len(op.results) + number])


def _used(value: Any) -> bool:
    return next(iter(value.uses), None) is not None


def split_operands(op: Any) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs of a linalg op."""
    operands = list(op.operands)
    outputs = len(op.results)
    if not all(is_tensor(value) for value in operands[len(operands) - outputs :]):
        raise UnsupportedError(f"{op.name} writes to something that is no tensor", location=location_text(op))
    return operands[: len(operands) - outputs], operands[len(operands) - outputs :]
