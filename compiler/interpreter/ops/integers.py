"""Integer arithmetic of `arith`, `index` and `math`: the width is the dtype's, signedness is the operation's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.attributes import integer_attribute
from stratagem.compiler.interpreter.elements import element_of, storage
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.values import Array, Value, doubt_of, with_doubt
from stratagem.runtime.errors import UnsupportedError

Binary = Callable[[Array, Array], Array]


def unsigned(x: Array) -> Array:
    """The same bits read without sign; booleans stay."""
    plane = np.asarray(x)
    if plane.dtype == object:
        raise UnsupportedError("a comparison of symbols is used as a number")
    return plane if plane.dtype.kind in "bu" else plane.view(np.dtype(f"u{plane.dtype.name}"))


def signed(x: Array) -> Array:
    """The same bits read with sign; a true i1 is -1."""
    plane = np.asarray(x)
    return -plane.astype(np.int8) if plane.dtype == np.bool_ else plane


def _like(x: Array, result: Array) -> Array:
    dtype = np.asarray(x).dtype
    return (np.asarray(result) & 1).astype(np.bool_) if dtype == np.bool_ else np.asarray(result).astype(dtype)


def _wrapping(function: Binary) -> Binary:
    """Arithmetic modulo 2^width; on i1 that is arithmetic modulo 2."""
    return lambda x, y: (
        _like(x, function(unsigned(x).astype(np.uint8), unsigned(y).astype(np.uint8)))
        if (np.asarray(x).dtype == np.bool_)
        else function(x, y)
    )


def _on_signed(function: Binary) -> Binary:
    return lambda x, y: _like(x, function(signed(x), signed(y)))


def _on_unsigned(function: Binary) -> Binary:
    return lambda x, y: _like(x, function(unsigned(x), unsigned(y)))


def _truncated_quotient(x: Array, y: Array) -> Array:
    quotient = x // y
    return np.asarray(quotient + ((quotient < 0) & (quotient * y != x)).astype(quotient.dtype))


def _ceil_quotient(x: Array, y: Array) -> Array:
    quotient = x // y
    return np.asarray(quotient + (quotient * y != x).astype(quotient.dtype))


def _shift(function: Callable[[Array, Array], Array]) -> Binary:
    def shift(x: Array, y: Array) -> Array:
        width = np.asarray(x).dtype.itemsize * 8
        return function(x, np.minimum(unsigned(y), width - 1).astype(np.asarray(x).dtype))

    return shift


BINARY: dict[str, Binary] = {
    "add": _wrapping(np.add),
    "sub": _wrapping(np.subtract),
    "mul": _wrapping(np.multiply),
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "maxs": _on_signed(np.maximum),
    "mins": _on_signed(np.minimum),
    "maxu": _on_unsigned(np.maximum),
    "minu": _on_unsigned(np.minimum),
    "shl": _shift(np.left_shift),
    "shrs": _shift(np.right_shift),
    "shru": lambda x, y: _like(x, _shift(np.right_shift)(unsigned(x), unsigned(y))),
}

DIVISIONS: dict[str, Binary] = {
    "divs": _on_signed(_truncated_quotient),
    "divu": _on_unsigned(np.floor_divide),
    "ceildivs": _on_signed(_ceil_quotient),
    "ceildivu": _on_unsigned(_ceil_quotient),
    "floordivs": _on_signed(np.floor_divide),
    "rems": _on_signed(np.fmod),
    "remu": _on_unsigned(np.remainder),
}

PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
_COMPARE: dict[str, Binary] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def compare_integers(predicate: str, x: Array, y: Array) -> Array:
    """`arith.cmpi` by name of its predicate."""
    if predicate in ("eq", "ne"):
        return _COMPARE[predicate](x, y)
    read = signed if predicate[0] == "s" else unsigned
    return _COMPARE[predicate[1:]](read(x), read(y))


def _names(stems: Iterable[str]) -> list[str]:
    """Both dialects: arith ends every name in `i`, index does not."""
    return [name for stem in stems for name in (f"arith.{stem}i", f"index.{stem}")]


def _stem(name: str) -> str:
    return name.removeprefix("arith.")[:-1] if name.startswith("arith.") else name.removeprefix("index.")


@operation(*_names(BINARY))
def binary(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = BINARY[_stem(instruction.name)]
    left, right = operands
    result = instruction.facts(left[0], right[0])
    return ((result,) if len(left) + len(right) == 2 else with_doubt(result, doubt_of(left, right)),)


@operation(*_names(DIVISIONS))
def division(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    x, y = operands[0][0], np.asarray(operands[1][0])
    zero = y == 0
    if np.any(zero):
        taken = zero if frame.mask is None else zero & frame.mask
        if np.any(taken):
            raise instruction.violation("division by zero")
        y = np.where(zero, y.dtype.type(1), y)
    return (with_doubt(DIVISIONS[_stem(instruction.name)](x, y), doubt_of(*operands)),)


@operation("arith.cmpi", "index.cmp")
def compare(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = _predicate(instruction.op)
    result = compare_integers(instruction.facts, operands[0][0], operands[1][0])
    return (with_doubt(np.asarray(result), doubt_of(*operands)),)


def _predicate(op: Any) -> str:
    if op.name == "arith.cmpi":
        return PREDICATES[integer_attribute(op, "predicate")]
    return str(op.attributes["pred"]).split("(")[-1].strip(")> ").split("<")[-1]


@operation(
    "arith.extsi",
    "arith.extui",
    "arith.trunci",
    "arith.index_cast",
    "arith.index_castui",
    "index.casts",
    "index.castu",
)
def resize(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Widens with or without sign, or keeps the low bits."""
    read = unsigned if instruction.name in ("arith.extui", "arith.index_castui", "index.castu") else signed
    dtype = storage(instruction.element)
    plane = read(operands[0][0])
    result = (plane & 1).astype(np.bool_) if dtype == np.bool_ else plane.astype(dtype)
    return (with_doubt(result, doubt_of(operands[0])),)


def _count(function: Callable[[Array, int], Array]) -> Callable[[Array], Array]:
    def count(x: Array) -> Array:
        bits = unsigned(x)
        return _like(x, function(bits, bits.dtype.itemsize * 8))

    return count


def _leading_zeros(bits: Array, width: int) -> Array:
    zeros = np.zeros(bits.shape, np.int64)
    for shift in range(width):
        zeros += (bits >> bits.dtype.type(shift)) == 0
    return zeros


def _trailing_zeros(bits: Array, width: int) -> Array:
    zeros = np.zeros(bits.shape, np.int64)
    for shift in range(1, width + 1):
        low = bits & bits.dtype.type((1 << shift) - 1)
        zeros += low == 0
    return zeros


UNARY: dict[str, Callable[[Array], Array]] = {
    "math.absi": np.abs,
    "math.ctlz": _count(_leading_zeros),
    "math.cttz": _count(_trailing_zeros),
    "math.ctpop": _count(lambda bits, width: np.bitwise_count(bits)),
}


@operation(*UNARY)
def unary(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    return (with_doubt(UNARY[instruction.name](operands[0][0]), doubt_of(operands[0])),)


@operation("math.ipowi")
def power(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    base, exponent = np.asarray(operands[0][0]), np.asarray(operands[1][0])
    if np.any((exponent < 0) & (base == 0)):
        raise instruction.violation("0 to a negative power")
    raised = np.power(base, np.maximum(exponent, 0))
    small = np.where(base == 1, 1, np.where(base == -1, 1 - 2 * (exponent & 1), 0))
    return (with_doubt(np.where(exponent < 0, small, raised).astype(base.dtype), doubt_of(*operands)),)


@operation("arith.addui_extended", "arith.mulsi_extended", "arith.mului_extended")
def extended(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Sum and carry, or low and high half of a product."""
    kind = instruction.name
    read = signed if kind == "arith.mulsi_extended" else unsigned
    x, y = (read(operand[0]).astype(object) for operand in operands)
    whole = x + y if kind == "arith.addui_extended" else x * y
    dtypes = [storage(element_of(result.type)) for result in instruction.op.results]
    width = dtypes[0].itemsize * 8
    low = (whole & (2**width - 1)).astype(f"u{width // 8}").view(dtypes[0])
    high = (whole >> width) & (2**width - 1)
    high = high.astype(np.bool_) if dtypes[1] == np.bool_ else high.astype(f"u{width // 8}").view(dtypes[1])
    doubt = doubt_of(*operands)
    return with_doubt(low, doubt), with_doubt(high, doubt)
