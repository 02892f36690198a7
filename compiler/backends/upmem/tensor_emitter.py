"""Tensor operations as C statements, for code that runs in order: a tasklet's tile, or the host's part of a
kernel.

Values become views of storages (destination passing): an operation writes into the storage of its `outs`
operand when `liveness.may_overwrite` allows it, into a copy otherwise. Subclasses say where new storage comes
from and how elements move between memories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.backends.upmem.dtypes import DType, dtype_of
from stratagem.compiler.backends.upmem.geometry import (
    block_of,
    body_operations,
    is_tensor,
    kept_axes,
    slice_of,
    static_shape,
    terminator,
)
from stratagem.compiler.backends.upmem.linalg_nest import LinalgNest, Operand, reads_output, split_operands
from stratagem.compiler.backends.upmem.liveness import may_overwrite
from stratagem.compiler.backends.upmem.reshape import reshape_view
from stratagem.compiler.backends.upmem.scalars import Scalar, float_literal, integer_literal
from stratagem.compiler.backends.upmem.scope import Scope
from stratagem.compiler.backends.upmem.symbols import Index, Variable
from stratagem.compiler.backends.upmem.views import WRAM, Storage, View, row_major
from stratagem.compiler.ir import location_text
from stratagem.runtime.errors import UnsupportedError


@dataclass(frozen=True)
class Empty:
    """A tensor nobody has written: every use as a destination gets storage of its own."""

    sizes: tuple[Index, ...]
    dtype: DType


class TensorEmitter:
    """Writes tensor operations into `scope`; `constants` collects C definitions of constant arrays."""

    counts = False
    """Whether cost counters are written beside the loops."""

    def __init__(self, scope: Scope, constants: dict[str, str]) -> None:
        self.scope, self.constants = scope, constants
        self._handlers: dict[str, Callable[[Any], None]] = {
            "tensor.extract_slice": self.extract_slice,
            "tensor.insert_slice": self.insert_slice,
            "tensor.empty": self.empty,
            "tensor.cast": self.rename,
            "tensor.collapse_shape": self.reshape,
            "tensor.expand_shape": self.reshape,
            "tensor.extract": self.extract,
            "linalg.generic": self.generic,
            "scf.for": self.loop,
            "scf.forall": self.forall,
        }

    # What a subclass decides --------------------------------------------------------------------------------

    def fresh(self, sizes: Sequence[Index], dtype: DType) -> View:
        """New storage for a tensor of these sizes."""
        raise NotImplementedError

    def addressable(self, value: Any, view: View, read: bool) -> View:
        """A view whose elements C can index: itself, or a staged copy (`read`: with the elements in it)."""
        raise NotImplementedError

    def copy(self, source: View, target: View) -> None:
        """Moves the elements of `source` to `target`, of equal sizes."""
        raise NotImplementedError

    def forall(self, op: Any) -> None:
        raise UnsupportedError("an scf.forall inside a tile has no units left to run on", location=location_text(op))

    def sliced(self, op: Any, view: View) -> View:
        """Called with the window of every extract_slice; may stage it."""
        return view

    # The operations -----------------------------------------------------------------------------------------

    def run(self, operations: Sequence[Any]) -> None:
        for op in operations:
            self.operation(op)

    def operation(self, op: Any) -> None:
        """Writes one operation; index and scalar arithmetic is written later, where it is needed."""
        handler = self._handlers.get(op.name)
        if handler:
            handler(op)
        elif any(is_tensor(r) for r in op.results):
            if op.name != "arith.constant":
                self._refuse(op)
            self.scope.bind(op.results[0], self.constant(op))
        elif op.regions or op.name.startswith(("cf.", "scf.if", "scf.while")):
            self._refuse(op)

    def _refuse(self, op: Any) -> None:
        raise UnsupportedError(
            f"{op.name} has no form in a DPU program",
            hint=f"those that have one: {', '.join(sorted(self._handlers))}, named linalg operations",
            location=location_text(op),
        )

    def view(self, value: Any) -> View | Empty:
        """What `value` stands for; the value must have been met before."""
        found = self.scope.find(value)
        if not isinstance(found, View | Empty):
            raise UnsupportedError(f"the tensor {value} is not available here")
        return found

    def placed(self, value: Any) -> View:
        """The view of `value`; an Empty gets storage (its elements are undefined)."""
        found = self.view(value)
        return self.fresh(found.sizes, found.dtype) if isinstance(found, Empty) else found

    def empty(self, op: Any) -> None:
        value = op.results[0]
        sizes = tuple(self.scope.dimension(value, axis) for axis in range(len(static_shape(value))))
        self.scope.bind(value, Empty(sizes, dtype_of(value.type)))

    def rename(self, op: Any) -> None:
        self.scope.bind(op.results[0], self.view(op.operands[0]))

    def reshape(self, op: Any) -> None:
        found = self.placed(op.operands[0])
        self.scope.bind(op.results[0], reshape_view(op, found, self.scope))

    def window(self, op: Any, big: View, small: Any) -> View:
        """The part of `big` that a slice operation names; `small` is the slice's tensor value."""
        where = slice_of(op)
        steps = [step if isinstance(step, int) else 0 for step in where.strides]
        if 0 in steps:
            raise UnsupportedError("a slice with a stride known only at run time", location=location_text(op))
        kept = kept_axes(len(where.sizes), where.sizes, static_shape(small))
        offsets = [self.scope.entry(o) for o in where.offsets]
        return big.window(offsets, [self.scope.entry(s) for s in where.sizes], steps, kept)

    def extract_slice(self, op: Any) -> None:
        found = self.view(op.operands[0])
        if isinstance(found, Empty):
            where = slice_of(op)
            kept = kept_axes(len(where.sizes), where.sizes, static_shape(op.results[0]))
            sizes = tuple(self.scope.entry(where.sizes[axis]) for axis in kept)
            self.scope.bind(op.results[0], Empty(sizes, found.dtype))
            return
        self.scope.bind(op.results[0], self.sliced(op, self.window(op, found, op.results[0])))

    def insert_slice(self, op: Any) -> None:
        target = self.destination(op.operands[1], op, read=True)
        self.put(op, target)
        self.scope.bind(op.results[0], target)

    def put(self, op: Any, target: View) -> None:
        """Copies the source of an insertion into its window of `target`, unless it is there already."""
        window = self.window(op, target, op.operands[0])
        found = self.view(op.operands[0])
        if isinstance(found, View) and not found.same_place(window):
            self.copy(found, window)

    def destination(self, value: Any, op: Any, read: bool) -> View:
        """Storage that `op` may write, starting from `value`; `read` when its old elements matter."""
        found = self.view(value)
        if isinstance(found, Empty):
            return self.fresh(found.sizes, found.dtype)
        if may_overwrite(value, op):
            return found
        copy = self.fresh(found.sizes, found.storage.dtype)
        if read:
            self.copy(found, copy)
        return copy

    def element(self, view: View, indices: Sequence[Index]) -> str:
        """A C expression for one element at indices known at run time."""
        return view.element(indices)

    def picked(self, op: Any) -> Scalar:
        """The element that a tensor.extract in the region of a linalg operation reads."""
        indices = [self.scope.index(i) for i in list(op.operands)[1:]]
        return Scalar(self.element(self.placed(op.operands[0]), indices), dtype_of(op.results[0].type))

    def extract(self, op: Any) -> None:
        view = self.addressable(op.operands[0], self.placed(op.operands[0]), read=True)
        indices = [self.scope.index(i) for i in list(op.operands)[1:]]
        name, dtype = self.scope.fresh("e"), dtype_of(op.results[0].type)
        self.scope.line(f"const {dtype.c} {name} = {view.element(indices)};")
        self.scope.bind(op.results[0], Scalar(name, dtype))

    def generic(self, op: Any) -> None:
        inputs, outputs = split_operands(op)
        operands: list[Operand] = [self._input(value) for value in inputs]
        places = []
        for number, value in enumerate(outputs):
            read = reads_output(op, number)
            place = self.destination(value, op, read)
            places.append(self.addressable(value, place, read))
        LinalgNest(self.scope, op, [*operands, *places], self.counts, self.picked).write()
        for result, place in zip(op.results, places, strict=True):
            self.scope.bind(result, place)

    def _input(self, value: Any) -> Operand:
        if not is_tensor(value):
            return self.scope.scalar(value)
        return self.addressable(value, self.placed(value), read=True)

    def constant(self, op: Any) -> View:
        """A constant tensor as a C array."""
        value = op.results[0]
        dtype, shape = dtype_of(value.type), static_shape(value)
        attribute = ir.DenseElementsAttr(op.attributes["value"])
        if attribute.is_splat:
            flat = [attribute.get_splat_value().value] * int(np.prod(shape, dtype=int))
        else:
            flat = np.asarray(attribute).reshape(-1).tolist()
        literals = [float_literal(v, dtype) if dtype.is_float else integer_literal(int(v), dtype) for v in flat]
        name = f"c{len(self.constants)}"
        self.constants[name] = f"static const {dtype.c} {name}[{max(len(flat), 1)}] = {{{', '.join(literals)}}};"
        extents, strides = [Index(n) for n in shape or [1]], row_major(shape or [1])
        storage = Storage(name, WRAM, dtype, tuple(extents), tuple(Index(s) for s in strides), tuple(shape or [1]))
        whole = storage.whole()
        return whole if shape else View(storage, whole.offsets, (), ())

    # Loops --------------------------------------------------------------------------------------------------

    def loop(self, op: Any) -> None:
        operands = list(op.operands)
        lower, upper, step = (self.scope.index(o) for o in operands[:3])
        arguments = list(block_of(op).arguments)
        carried = [self._carry(value, op) for value in operands[3:]]
        name = self.scope.fresh("k")
        head = f"for ({self.scope.integer} {name} = {lower}; {name} < {upper}; {name} += {step})"
        with self.scope.block(head):
            self.scope.bind(arguments[0], loop_variable(name, lower, upper, step))
            for argument, meaning in zip(arguments[1:], carried, strict=True):
                self.scope.bind(argument, meaning)
            self.body(op)
            self._carry_on(list(terminator(op).operands), carried)
        for result, meaning in zip(op.results, carried, strict=True):
            self.scope.bind(result, meaning)

    def body(self, op: Any) -> None:
        """The operations of a loop's body, without its terminator."""
        self.run(body_operations(op)[:-1])

    def _carry(self, value: Any, op: Any) -> View | Scalar:
        if is_tensor(value):
            return self.destination(value, op, read=True)
        start = self.scope.scalar(value)
        name = self.scope.fresh("s")
        self.scope.line(f"{start.dtype.c} {name} = {start.text};")
        return Scalar(name, start.dtype)

    def _carry_on(self, yielded: list[Any], carried: list[View | Scalar]) -> None:
        """What the next iteration starts from."""
        for position, (value, target) in enumerate(zip(yielded, carried, strict=True)):
            if isinstance(target, Scalar):
                self.scope.line(f"{target.text} = {self.scope.scalar(value).text};")
                continue
            source = self.view(value)
            if isinstance(source, Empty) or source.same_place(target):
                continue
            if any(
                isinstance(c, View) and c.storage == source.storage
                for c in carried[:position] + carried[position + 1 :]
            ):
                raise UnsupportedError("a loop that exchanges two of the tensors it carries")
            self.copy(source, target)


def loop_variable(name: str, lower: Index, upper: Index, step: Index) -> Index:
    """The variable of a loop with its bounds and the number that divides it."""
    import math

    high = None if upper.high is None else upper.high - 1
    step_divisor = step.constant if step.is_constant else step.divisor
    if high is not None and lower.is_constant and step.is_constant and step.constant > 0:
        high = lower.constant + max(0, high - lower.constant) // step.constant * step.constant
    return Index.of(Variable(name, lower.low, high, math.gcd(lower.divisor, step_divisor)))
