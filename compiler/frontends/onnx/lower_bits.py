"""BitShift and BitCast as elementwise operations on bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.elementwise import elementwise
from stratagem.compiler.frontends.onnx.call import Call
from stratagem.compiler.frontends.words import Word, bits_of, float_of

_UNSIGNED = (2, 4, 12, 13)


def lower_bit_shift(call: Call) -> Sequence[Any]:
    """An amount outside of 0 to width - 1 leaves what the sign extends to: -1 or 0."""
    right = call.attributes()["direction"] == "RIGHT"
    kind = call.opaque.graph.type_of(call.node.input[0])
    signed = right and kind is not None and kind.element not in _UNSIGNED

    def body(value: Any, amount: Any) -> Any:
        word, by = Word(value), Word(amount)
        outside = by.exceeds(word.width - 1)
        inside = by & (word.width - 1)
        if not right:
            return outside.where(word.constant(0), word << inside).value
        if not signed:
            return outside.where(word.constant(0), word >> inside).value
        return word.shift_signed(outside.where(word.constant(word.width - 1), inside)).value

    return [elementwise(call.operands, call.types[0], body)]


def lower_bit_cast(call: Call) -> Sequence[Any]:
    """The same bits under another type of the same width; a bool is stored as a byte of 0 or 1."""
    result = ir.RankedTensorType(call.types[0]).element_type

    def body(value: Any) -> Any:
        word = bits_of(value)
        if not isinstance(result, ir.IntegerType):
            return float_of(word.resized(result.width), result)
        if result.width == 1:
            return word.exceeds(0).value
        return word.resized(result.width).value

    return [elementwise(call.operands, call.types[0], body)]
