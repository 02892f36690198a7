"""Cast from and to the element types that are stored in bytes (`small_types.py`), and to those the wheel leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.frontends.elementwise import elementwise
from stratagem.compiler.frontends.onnx.call import Call
from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.weights import STORED
from stratagem.compiler.frontends.small_types import (
    FORMATS,
    PowerOfTwo,
    Small,
    SmallInteger,
    decode_float,
    decode_integer,
    encode_float,
    encode_integer,
    encode_power,
)
from stratagem.compiler.frontends.words import Word

_UNSIGNED = (2, 4, 9, 12, 13)
"""ONNX element types whose integers have no sign, bool among them."""


_NOT_IN_THE_WHEEL = (4, 5, 12, 13)
"""uint16, int16, uint32, uint64."""


def is_own_cast(graph: Graph, one: Any) -> bool:
    """Whether a Cast reads or writes a type that is stored in bytes, or gives integers the wheel has no cast to."""
    kind, to = graph.type_of(one.input[0]), attributes(one)["to"]
    return to in STORED or to in _NOT_IN_THE_WHEEL or (kind is not None and kind.element in STORED)


def lower_cast(call: Call) -> Sequence[Any]:
    """Decodes what a small type holds, converts, encodes; each in one elementwise operation."""
    given = call.attributes()
    kind = call.opaque.graph.type_of(call.node.input[0])
    assert kind is not None
    source, target = _small(kind.element), _small(given["to"])
    result = ir.RankedTensorType(call.types[0]).element_type

    def body(value: Any) -> Any:
        wide, signed = _decoded(value, source, kind.element not in _UNSIGNED)
        if target is None:
            return _converted(wide, signed, result, given["to"])
        if isinstance(target, SmallInteger):
            return encode_integer(_integer(wide), target)
        if isinstance(target, PowerOfTwo):
            return encode_power(_float(wide, signed, 32), given.get("round_mode", "up"), bool(given.get("saturate", 1)))
        return encode_float(_float(wide, signed, 64), target, bool(given.get("saturate", 1)))

    return [elementwise(call.operands, call.types[0], body)]


def _small(element: int) -> Small | None:
    return FORMATS[STORED[element]] if element in STORED else None


def _decoded(value: Any, small: Small | None, signed: bool) -> tuple[Any, bool]:
    """The operand as a float or integer of the contract, and whether an integer has a sign."""
    if small is None:
        return value, signed
    if isinstance(small, SmallInteger):
        return decode_integer(value, small, 32).value, small.signed
    return decode_float(value, small), True


def _integer(value: Any) -> Word:
    if isinstance(value.type, ir.IntegerType):
        return Word(value).resized(32)
    return Word(arith.FPToSIOp(ir.IntegerType.get_signless(32), value).result)


def _float(value: Any, signed: bool, integers: int) -> Any:
    """The operand as f32 or f64; an integer as a float of `integers` bits."""
    if isinstance(value.type, ir.IntegerType):
        kind = ir.F64Type.get() if integers == 64 else ir.F32Type.get()
        return (arith.SIToFPOp if signed else arith.UIToFPOp)(kind, value).result
    if value.type.width < 32:
        return arith.ExtFOp(ir.F32Type.get(), value).result
    return arith.TruncFOp(ir.F32Type.get(), value).result if value.type.width > integers else value


_UINT64 = 13


def _converted(value: Any, signed: bool, result: Any, element: int) -> Any:
    """A float or integer in another type of the contract; what is out of range keeps its low bits, as in C."""
    whole, to_whole = isinstance(value.type, ir.IntegerType), isinstance(result, ir.IntegerType)
    if to_whole and result.width == 1:
        return Word(value).exceeds(0).value if whole else _differs_from_zero(value)
    if whole and to_whole:
        return Word(value).resized(result.width, signed).value
    if whole:
        return (arith.SIToFPOp if signed else arith.UIToFPOp)(result, value).result
    if to_whole and element == _UINT64:
        return arith.FPToUIOp(result, value).result
    if to_whole:
        wide = arith.FPToSIOp(ir.IntegerType.get_signless(64), value).result
        return Word(wide).resized(result.width).value
    if result.width == value.type.width:
        return value
    return (arith.ExtFOp if result.width > value.type.width else arith.TruncFOp)(result, value).result


def _differs_from_zero(value: Any) -> Any:
    zero = arith.ConstantOp(value.type, ir.FloatAttr.get(value.type, 0.0)).result
    return arith.CmpFOp(arith.CmpFPredicate.UNE, value, zero).result
