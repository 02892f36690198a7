"""Integer arithmetic on MLIR scalars in Python's operators, for bodies that compute on bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

_P = arith.CmpIPredicate


@dataclass(frozen=True)
class Word:
    """A signless integer of `width` bits; a Python int beside it is a constant of the same width.

    `>>` fills with zeros, `shift_signed` with the sign. Comparisons and `where` are methods: they give and take `i1`.
    """

    value: Any

    @property
    def width(self) -> int:
        return int(ir.IntegerType(self.value.type).width)

    def constant(self, number: int) -> Word:
        """`number` modulo 2**width."""
        wrapped = (number + (1 << (self.width - 1))) % (1 << self.width) - (1 << (self.width - 1))
        return Word(arith.ConstantOp(self.value.type, ir.IntegerAttr.get(self.value.type, wrapped)).result)

    def _other(self, other: Word | int) -> Any:
        return self.constant(other).value if isinstance(other, int) else other.value

    def __add__(self, other: Word | int) -> Word:
        return Word(arith.AddIOp(self.value, self._other(other)).result)

    def __sub__(self, other: Word | int) -> Word:
        return Word(arith.SubIOp(self.value, self._other(other)).result)

    def __and__(self, other: Word | int) -> Word:
        return Word(arith.AndIOp(self.value, self._other(other)).result)

    def __or__(self, other: Word | int) -> Word:
        return Word(arith.OrIOp(self.value, self._other(other)).result)

    def __lshift__(self, other: Word | int) -> Word:
        return Word(arith.ShLIOp(self.value, self._other(other)).result)

    def __rshift__(self, other: Word | int) -> Word:
        return Word(arith.ShRUIOp(self.value, self._other(other)).result)

    def shift_signed(self, other: Word | int) -> Word:
        return Word(arith.ShRSIOp(self.value, self._other(other)).result)

    def minimum(self, other: Word | int) -> Word:
        """The smaller one, both read as signed."""
        return Word(arith.MinSIOp(self.value, self._other(other)).result)

    def equals(self, other: Word | int) -> Word:
        return Word(arith.CmpIOp(_P.eq, self.value, self._other(other)).result)

    def exceeds(self, other: Word | int) -> Word:
        """Whether it is greater, both read as unsigned."""
        return Word(arith.CmpIOp(_P.ugt, self.value, self._other(other)).result)

    def negative(self) -> Word:
        return Word(arith.CmpIOp(_P.slt, self.value, self.constant(0).value).result)

    def where(self, yes: Word, no: Word | int) -> Word:
        """For an `i1`: `yes` where it is set, else `no`."""
        return Word(arith.SelectOp(self.value, yes.value, yes._other(no)).result)

    def resized(self, width: int, signed: bool = False) -> Word:
        """Its low bits, or more bits: zeros, or copies of the sign."""
        kind = ir.IntegerType.get_signless(width)
        if width == self.width:
            return self
        if width < self.width:
            return Word(arith.TruncIOp(kind, self.value).result)
        return Word((arith.ExtSIOp if signed else arith.ExtUIOp)(kind, self.value).result)


def bits_of(value: Any) -> Word:
    """The bits of a float, or an integer as it is."""
    if isinstance(value.type, ir.IntegerType):
        return Word(value)
    return Word(arith.BitcastOp(ir.IntegerType.get_signless(value.type.width), value).result)


def float_of(word: Word, kind: Any) -> Any:
    """The float of type `kind` with these bits."""
    return arith.BitcastOp(kind, word.value).result
