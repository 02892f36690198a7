"""Scalar operations of arith and math as C expressions, with the cost counter each one adds to.

Signed arithmetic wraps (the programs are compiled with -fwrapv), as arith says. Division by zero is undefined
there too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.upmem.dtypes import DType
from stratagem.compiler.backends.upmem.operations import cost_name
from stratagem.compiler.ir import location_text
from stratagem.runtime.errors import UnsupportedError


@dataclass(frozen=True)
class Scalar:
    """A C expression without side effects, of type `dtype`."""

    text: str
    dtype: DType


@dataclass(frozen=True)
class Operation:
    """A C expression for one operation and the counter it adds to (None: free, or counted by a function it
    calls)."""

    text: str
    cost: str | None


_INFIX = {
    **dict.fromkeys(("addi", "addf"), ("+", "ADD")),
    **dict.fromkeys(("subi", "subf"), ("-", "ADD")),
    **dict.fromkeys(("muli", "mulf"), ("*", "MUL")),
    **dict.fromkeys(("divsi", "divf"), ("/", "DIV")),
    "remsi": ("%", "DIV"),
    "andi": ("&", "ADD"),
    "ori": ("|", "ADD"),
    "xori": ("^", "ADD"),
    "shli": ("<<", "ADD"),
    "shrsi": (">>", "ADD"),
}
_UNSIGNED = {"divui": "/", "remui": "%", "shrui": ">>"}
_EXTREME = {"maxsi": ">", "minsi": "<", "maxnumf": ">", "minnumf": "<"}
_UNSIGNED_EXTREME = {"maxui": ">", "minui": "<"}
_CASTS = ("extf", "truncf", "sitofp", "fptosi", "extsi", "trunci", "index_cast")
_COMPARE_INTEGER = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")
_COMPARE_FLOAT = (None, "==", ">", ">=", "<", "<=", "!=", None, "==", ">", ">=", "<", "<=", "!=")
_MATH = {name: f"sg_{name}f" for name in ("exp", "sqrt", "rsqrt", "log", "tanh", "erf", "floor", "ceil")} | {
    "absf": "sg_absf"
}
_ORDERED_FALSE_ON_NAN = range(1, 8)


def constant_scalar(op: Any, dtype: DType) -> Scalar:
    """The scalar an arith.constant holds."""
    attribute = op.attributes["value"]
    if dtype.is_float:
        return Scalar(float_literal(float(ir.FloatAttr(attribute).value), dtype), dtype)
    if dtype.name == "i1":
        return Scalar("1" if "true" in str(attribute) else "0", dtype)
    return Scalar(integer_literal(int(ir.IntegerAttr(attribute).value), dtype), dtype)


def integer_literal(number: int, dtype: DType) -> str:
    """A C literal; the least value of a type has no literal of its own."""
    bits = dtype.size * 8
    if bits >= 32 and number == -(1 << (bits - 1)):
        return f"INT{bits}_MIN"
    text = f"INT64_C({number})" if bits == 64 else str(number)
    return f"({text})" if number < 0 else text


def float_literal(number: float, dtype: DType) -> str:
    """An exact C literal (hexadecimal digits); infinities and not-a-number as bit patterns."""
    if math.isinf(number) or math.isnan(number):
        if dtype.name != "f32":
            raise UnsupportedError(f"the constant {number} of type {dtype.name} has no literal")
        text = "sg_nanf()" if math.isnan(number) else "sg_inff()"
        return f"(-{text})" if number < 0 else text
    text = repr(number) if number == int(number) and abs(number) < 1e6 else number.hex()
    text += "f" if dtype.name == "f32" else ""
    return f"({text})" if text.startswith("-") else text


def scalar_operation(op: Any, operands: list[Scalar], result: DType) -> Operation:
    """The C expression for one arith or math operation on `operands`; UnsupportedError names what has
    none."""
    dialect, name = op.name.split(".", 1)
    operand_type = operands[0].dtype if operands else result
    texts = [o.text for o in operands]
    if dialect == "math":
        return _math(op, name, texts, result)
    if name in _INFIX:
        symbol, kind = _INFIX[name]
        return Operation(_narrowed(f"{texts[0]} {symbol} {texts[1]}", result), cost_name(kind, result.name))
    if name in _UNSIGNED:
        kind = "ADD" if name == "shrui" else "DIV"
        return Operation(_unsigned(_UNSIGNED[name], texts, result), cost_name(kind, result.name))
    if name in _EXTREME or name in _UNSIGNED_EXTREME or name in ("maximumf", "minimumf"):
        return Operation(_extreme(name, texts, result), cost_name("ADD", result.name))
    if name in ("cmpi", "cmpf"):
        return Operation(_compare(op, name, texts, operand_type), cost_name("ADD", operand_type.name))
    other = _OTHER.get(name) or (_cast if name in _CASTS else None)
    if other is None:
        raise UnsupportedError(f"{op.name} has no C form on a DPU", location=location_text(op))
    return other(texts, operand_type, result)


def _narrowed(text: str, dtype: DType) -> str:
    """C computes in int; results of narrow types are cut to their width."""
    if dtype.name == "i1":
        return f"({text}) & 1"
    return f"({dtype.c})({text})" if dtype.size < 4 else text


def _unsigned(symbol: str, texts: list[str], dtype: DType) -> str:
    unsigned = f"uint{dtype.size * 8}_t"
    return f"({dtype.c})(({unsigned}){texts[0]} {symbol} ({unsigned}){texts[1]})"


def _extreme(name: str, texts: list[str], dtype: DType) -> str:
    a, b = texts
    if name in ("maximumf", "minimumf"):
        if dtype.name != "f32":
            raise UnsupportedError(f"arith.{name} on {dtype.name} has no C form on a DPU")
        return f"sg_{name}({a}, {b})"
    if name in _UNSIGNED_EXTREME:
        unsigned = f"uint{dtype.size * 8}_t"
        return f"({unsigned}){a} {_UNSIGNED_EXTREME[name]} ({unsigned}){b} ? {a} : {b}"
    if name.endswith("numf"):
        return f"{a} {_EXTREME[name]} {b} || {b} != {b} ? {a} : {b}"
    return f"{a} {_EXTREME[name]} {b} ? {a} : {b}"


def _compare(op: Any, name: str, texts: list[str], dtype: DType) -> str:
    predicate = int(ir.IntegerAttr(op.attributes["predicate"]).value)
    a, b = texts
    if name == "cmpi":
        if predicate >= 6:
            unsigned = f"(uint{dtype.size * 8}_t)"
            a, b = unsigned + a, unsigned + b
        return f"{a} {_COMPARE_INTEGER[predicate]} {b}"
    if predicate in (0, 15):
        return "0" if predicate == 0 else "1"
    unordered = f"({a} != {a} || {b} != {b})"
    if predicate in (7, 14):
        return f"!{unordered}" if predicate == 7 else unordered
    symbol = _COMPARE_FLOAT[predicate]
    if predicate == 6:
        return f"!{unordered} && {a} != {b}"
    if predicate in _ORDERED_FALSE_ON_NAN or predicate == 13:
        return f"{a} {symbol} {b}"
    return f"{unordered} || {a} {symbol} {b}"


def _math(op: Any, name: str, texts: list[str], dtype: DType) -> Operation:
    if name == "absi":
        return Operation(f"{texts[0]} < 0 ? -{texts[0]} : {texts[0]}", cost_name("ADD", dtype.name))
    if name == "fma" and dtype.name == "f32":
        return Operation(f"{texts[0]} * {texts[1]} + {texts[2]}", cost_name("MUL", dtype.name))
    if name == "fpowi" and dtype.name == "f32":
        return Operation(f"sg_powif({texts[0]}, (int32_t){texts[1]})", None)
    if name in _MATH and dtype.name == "f32":
        return Operation(f"{_MATH[name]}({texts[0]})", None)
    raise UnsupportedError(
        f"{op.name} on {dtype.name} has no C form on a DPU",
        hint=f"f32 has: {', '.join(_MATH)}, fma, fpowi; other kernels run on the host",
        location=location_text(op),
    )


def _cast(texts: list[str], source: DType, result: DType) -> Operation:
    if source.name == "i1" and result.name != "i1":
        return Operation(f"({result.c})-{texts[0]}", cost_name("ADD", result.name))
    kind = cost_name("ADD", source.name if source.is_float else result.name)
    return Operation(
        _narrowed(f"({result.c}){texts[0]}", result) if result.name == "i1" else f"({result.c}){texts[0]}",
        kind,
    )


def _extend_unsigned(texts: list[str], source: DType, result: DType) -> Operation:
    return Operation(f"({result.c})(uint{source.size * 8}_t){texts[0]}", cost_name("ADD", result.name))


def _negate(texts: list[str], source: DType, result: DType) -> Operation:
    return Operation(f"-{texts[0]}", cost_name("ADD", result.name))


def _select(texts: list[str], source: DType, result: DType) -> Operation:
    return Operation(f"{texts[0]} ? {texts[1]} : {texts[2]}", cost_name("ADD", "i32"))


def _bitcast(texts: list[str], source: DType, result: DType) -> Operation:
    if (source.name, result.name) == ("i32", "f32"):
        return Operation(f"sg_from_bits((uint32_t){texts[0]})", None)
    if (source.name, result.name) == ("f32", "i32"):
        return Operation(f"(int32_t)sg_to_bits({texts[0]})", None)
    raise UnsupportedError(f"arith.bitcast from {source.name} to {result.name} has no C form on a DPU")


_OTHER: dict[str, Callable[[list[str], DType, DType], Operation]] = {
    "negf": _negate,
    "select": _select,
    "extui": _extend_unsigned,
    "uitofp": _extend_unsigned,
    "index_castui": _extend_unsigned,
    "bitcast": _bitcast,
}
