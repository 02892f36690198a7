"""How an operand of a structured operation is reached: one address, linear in the loop counters.

The indexing map and the buffer's strides are folded into one coefficient per loop, in elements: `address = pointer +
sum(coefficient[d] * counter[d])`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, llvm

from stratagem.compiler.backends.cpu.build import (
    Size,
    add,
    element_pointer,
    i64,
    lane_mask,
    mul,
    parse_type,
    splat,
    vector_type,
)

NARROW_FLOATS = ("bf16", "f16")
_ALL_LEVELS = 3
"""In LLVM's prefetch: into every cache. Lines that leave the first level before they are read wait in the second."""


@dataclass(frozen=True)
class Access:
    """One operand.

    Attributes:
        element: type of an element as the operation sees it.
        pointer: address of the element at counters 0; None for a scalar operand.
        scalar: the value of a scalar operand.
        coefficients: per loop, elements by which its counter moves the address.
        streamed: whether whole vectors are written past the caches, at multiples of their size.
        ahead: elements from here to what the next tile reads in this place; 0 where nothing is gained by fetching it.
    """

    element: Any
    pointer: Any
    coefficients: tuple[Size, ...]
    scalar: Any = None
    ahead: int = 0
    streamed: bool = False

    def moves_with(self, d: int) -> bool:
        """Whether the address depends on loop `d`."""
        return not (isinstance(self.coefficients[d], int) and self.coefficients[d] == 0)

    def is_unit(self, d: int) -> bool:
        return isinstance(self.coefficients[d], int) and bool(self.coefficients[d] == 1)

    def without(self, d: int) -> Access:
        """The same after loop `d`, which stands at 0, has gone."""
        return replace(self, coefficients=self.coefficients[:d] + self.coefficients[d + 1 :])

    def offset(self, counters: Sequence[Size]) -> Size:
        total: Size = 0
        for coefficient, counter in zip(self.coefficients, counters, strict=True):
            total = add(total, mul(coefficient, counter))
        return total

    @property
    def stored(self) -> Any:
        """The type in memory: a byte for i1, i64 for index."""
        if str(self.element) == "i1":
            return parse_type("i8")
        return parse_type("i64") if isinstance(self.element, ir.IndexType) else self.element

    @property
    def computed(self) -> Any:
        """The type in registers: narrow floats are widened to f32."""
        return ir.F32Type.get() if str(self.element) in NARROW_FLOATS else self.element

    def bytes(self) -> int:
        """Bytes of one element in a register."""
        kind = self.computed
        return 8 if isinstance(kind, ir.IndexType) else max(8, int(kind.width)) // 8

    def load(self, offset: Size) -> Any:
        """One element, widened."""
        if self.pointer is None:
            return widen(self.scalar)
        address = element_pointer(self.pointer, offset, self.stored)
        return self._from_memory(llvm.LoadOp(self.stored, address).result)

    def load_vector(self, offset: Size, step: Size, lanes: int, active: Any = None) -> Any:
        """`lanes` elements, `step` elements apart; lanes from `active` (i64) on are not read."""
        if isinstance(step, int) and step == 0:
            return self.load(offset)
        if isinstance(step, int) and step == 1:
            return self._from_memory(self._read(offset, lanes, active))
        if isinstance(step, int) and step == 2 and lanes > 1:
            return self._from_memory(self._read_every_second(offset, lanes, active))
        return self._gather(offset, step, lanes, active)

    def _read(self, offset: Size, lanes: int, active: Any) -> Any:
        address = element_pointer(self.pointer, offset, self.stored)
        kind = vector_type(lanes, self.stored)
        if active is None:
            return llvm.LoadOp(kind, address, alignment=self.stored_bytes).result
        zero = arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, _zero(self.stored)))
        mask = lane_mask(active, lanes)
        return llvm.MaskedLoadOp(kind, address, mask, self.stored_bytes, pass_thru=zero).result

    def _read_every_second(self, offset: Size, lanes: int, active: Any) -> Any:
        """Two neighbouring vectors, and their even lanes; the last odd element may lie outside and is not read."""
        count = 2 * lanes if active is None else arith.muli(active, i64(2))
        last = i64(add(count, -1 - lanes))
        low_active = None if active is None else i64(add(count, -1))
        low = self._read(offset, lanes, low_active)
        high = self._read(add(offset, lanes), lanes, last)
        kind = vector_type(lanes, self.stored)
        even = ir.DenseI64ArrayAttr.get([2 * i for i in range(lanes)])
        return ir.Operation.create(
            "vector.shuffle", results=[kind], operands=[low, high], attributes={"mask": even}
        ).result

    def _gather(self, offset: Size, step: Size, lanes: int, active: Any) -> Any:
        """Element by element; inactive lanes read the first element again."""
        kind = vector_type(lanes, self.computed)
        value = arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, _zero(self.computed)))
        for lane in range(lanes):
            place: Size = mul(step, lane)
            if active is not None and lane:
                inside = arith.cmpi(arith.CmpIPredicate.slt, i64(lane), active)
                place = arith.select(inside, i64(place), i64(0))
            element = self.load(add(offset, place))
            at = ir.DenseI64ArrayAttr.get([lane])
            value = ir.Operation.create(
                "vector.insert", results=[kind], operands=[element, value], attributes={"static_position": at}
            ).result
        return value

    def fetch_ahead(self, offset: Size) -> None:
        """Starts to bring the line that the next tile reads in this place into the caches."""
        address = element_pointer(self.pointer, add(offset, self.ahead), self.stored)
        llvm.intr_prefetch(address, 0, _ALL_LEVELS, 1)

    def store(self, value: Any, offset: Size) -> None:
        """Writes one element."""
        address = element_pointer(self.pointer, offset, self.stored)
        llvm.StoreOp(self._to_memory(value), address)

    def store_vector(self, value: Any, offset: Size, lanes: int, active: Any = None) -> None:
        """Writes `lanes` neighbouring elements, or the first `active` of them."""
        stored = self._to_memory(splat(value, lanes))
        address = element_pointer(self.pointer, offset, self.stored)
        if active is None and self.streamed:
            llvm.StoreOp(stored, address, alignment=lanes * self.stored_bytes, nontemporal=True)
        elif active is None:
            llvm.StoreOp(stored, address, alignment=self.stored_bytes)
        else:
            llvm.MaskedStoreOp(stored, address, lane_mask(active, lanes), self.stored_bytes)

    @property
    def stored_bytes(self) -> int:
        """Bytes of one element in memory."""
        return max(8, int(self.stored.width)) // 8

    def _from_memory(self, value: Any) -> Any:
        if str(self.element) == "i1":
            return arith.trunci(like(value, self.element), value)
        if isinstance(self.element, ir.IndexType):
            return arith.index_cast(like(value, self.element), value)
        return widen(value)

    def _to_memory(self, value: Any) -> Any:
        if str(self.element) == "i1":
            return arith.extui(like(value, self.stored), value)
        if isinstance(self.element, ir.IndexType):
            return arith.index_cast(like(value, self.stored), value)
        return narrowed(value, self.element)


def like(value: Any, element: Any) -> Any:
    """The type of `value` with another element type."""
    if isinstance(value.type, ir.VectorType):
        return ir.VectorType.get(ir.VectorType(value.type).shape, element)
    return element


def element_of(kind: Any) -> Any:
    return ir.VectorType(kind).element_type if isinstance(kind, ir.VectorType) else kind


def widen(value: Any) -> Any:
    """Narrow floats as f32; everything else as it is."""
    if str(element_of(value.type)) in NARROW_FLOATS:
        return arith.extf(like(value, ir.F32Type.get()), value)
    return value


def narrowed(value: Any, element: Any) -> Any:
    """A widened value as the narrow float `element` that it stands for; everything else as it is."""
    if str(element) in NARROW_FLOATS and element_of(value.type) != element:
        return arith.truncf(like(value, element), value)
    return value


def _zero(kind: Any) -> Any:
    if isinstance(kind, ir.IntegerType | ir.IndexType):
        return ir.IntegerAttr.get(kind, 0)
    return ir.FloatAttr.get(kind, 0.0)
