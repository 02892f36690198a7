"""How one scalar operation of a `linalg.generic` body is written in Triton.

Each entry takes the operands' texts (already in the type the operation computes in) and gives an expression.
Functions Triton lacks are written out below as helper functions, which are added to the source when used.
"""

from __future__ import annotations

from collections.abc import Callable

from stratagem.compiler.backends.gpu.printer.scalars import without_parentheses

Template = Callable[..., str]


def _infix(symbol: str) -> Template:
    return lambda a, b: f"({a} {symbol} {b})"


def _call(name: str) -> Template:
    return lambda *operands: f"{name}({', '.join(map(without_parentheses, operands))})"


_NAN = ", propagate_nan=tl.PropagateNan.ALL"

ARITHMETIC: dict[str, Template] = {
    "arith.addf": _infix("+"),
    "arith.subf": _infix("-"),
    "arith.mulf": _infix("*"),
    "arith.divf": _infix("/"),
    "arith.negf": lambda a: f"(-{a})",
    "arith.maximumf": lambda a, b: f"tl.maximum({a}, {b}{_NAN})",
    "arith.minimumf": lambda a, b: f"tl.minimum({a}, {b}{_NAN})",
    "arith.maxnumf": _call("tl.maximum"),
    "arith.minnumf": _call("tl.minimum"),
    "arith.addi": _infix("+"),
    "arith.subi": _infix("-"),
    "arith.muli": _infix("*"),
    "arith.divsi": _infix("//"),
    "arith.remsi": _infix("%"),
    "arith.maxsi": _call("tl.maximum"),
    "arith.minsi": _call("tl.minimum"),
    "arith.andi": _infix("&"),
    "arith.ori": _infix("|"),
    "arith.xori": _infix("^"),
    "math.absf": _call("tl.abs"),
    "math.absi": _call("tl.abs"),
    "math.ceil": _call("tl.ceil"),
    "math.cos": _call("tl.cos"),
    "math.erf": _call("tl.erf"),
    "math.exp": _call("tl.exp"),
    "math.exp2": _call("tl.exp2"),
    "math.expm1": _call("_expm1"),
    "math.floor": _call("tl.floor"),
    "math.fma": lambda a, b, c: f"({a} * {b} + {c})",
    "math.log": _call("tl.log"),
    "math.log1p": _call("_log1p"),
    "math.log2": _call("tl.log2"),
    "math.rsqrt": _call("tl.rsqrt"),
    "math.sin": _call("tl.sin"),
    "math.sqrt": _call("tl.sqrt"),
    "math.tanh": _call("_tanh"),
}

WIDE: dict[str, Template] = {
    "math.expm1": _call("_expm1_f64"),
    "math.tanh": _call("_tanh_f64"),
}
"""Forms for f64 of what the others are too short for."""

_ORDERED = "({a} == {a}) & ({b} == {b})"
_UNORDERED = "({a} != {a}) | ({b} != {b})"

FLOAT_COMPARISONS = {  # by the predicate's number in arith.cmpf
    0: "(({a} != {a}) & ({a} == {a}))",
    1: "({a} == {b})",
    2: "({a} > {b})",
    3: "({a} >= {b})",
    4: "({a} < {b})",
    5: "({a} <= {b})",
    6: f"(({{a}} != {{b}}) & {_ORDERED})",
    7: f"({_ORDERED})",
    8: f"(({{a}} == {{b}}) | {_UNORDERED})",
    9: f"(({{a}} > {{b}}) | {_UNORDERED})",
    10: f"(({{a}} >= {{b}}) | {_UNORDERED})",
    11: f"(({{a}} < {{b}}) | {_UNORDERED})",
    12: f"(({{a}} <= {{b}}) | {_UNORDERED})",
    13: "({a} != {b})",
    14: f"({_UNORDERED})",
    15: "(({a} == {a}) | ({a} != {a}))",
}

INTEGER_COMPARISONS = {  # by the predicate's number in arith.cmpi; Triton has no unsigned ones (6 to 9)
    0: "({a} == {b})",
    1: "({a} != {b})",
    2: "({a} < {b})",
    3: "({a} <= {b})",
    4: "({a} > {b})",
    5: "({a} >= {b})",
}

CASTS = {
    "arith.extf",
    "arith.truncf",
    "arith.sitofp",
    "arith.uitofp",
    "arith.fptosi",
    "arith.extsi",
    "arith.extui",
    "arith.trunci",
    "arith.index_cast",
}

UNSIGNED_CASTS = {"arith.extui", "arith.uitofp"}

HELPERS: dict[str, str] = {
    # exp(-2|x|) never overflows; near zero the odd series keeps relative accuracy (next term: 3e-9 at 0.25).
    "_tanh": """\
@triton.jit
def _tanh(x):
    e = tl.exp(-2.0 * tl.abs(x))
    t = (1.0 - e) / (1.0 + e)
    s = x * x
    near = x * (1.0 + s * (-1.0 / 3.0 + s * (2.0 / 15.0 + s * (-17.0 / 315.0 + s * (62.0 / 2835.0)))))
    return tl.where(tl.abs(x) < 0.25, near, tl.where(x < 0, -t, t))
""",
    # log(1 + x) corrected by the rounding of 1 + x.
    "_log1p": """\
@triton.jit
def _log1p(x):
    u = 1.0 + x
    d = u - 1.0
    corrected = tl.log(u) * (x / tl.where(d == 0, 1.0, d))
    return tl.where(d == 0, x, tl.where(d == float("inf"), u, corrected))
""",
    # Where exp(x) - 1 would cancel, the Taylor series in Horner form up to x^10 (next term: 8e-10 at 0.7).
    "_expm1": """\
@triton.jit
def _expm1(x):
    s = 1.0 / 8.0 * x * (1.0 + x / 9.0 * (1.0 + x / 10.0))
    s = 1.0 / 5.0 * x * (1.0 + x / 6.0 * (1.0 + x / 7.0 * (1.0 + s)))
    near = x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + s))))
    return tl.where(tl.abs(x) < 0.7, near, tl.exp(x) - 1.0)
""",
    # The same up to x^18 (1e-19).
    "_expm1_f64": """\
@triton.jit
def _expm1_f64(x):
    s = 1.0 / 15.0 * x * (1.0 + x / 16.0 * (1.0 + x / 17.0 * (1.0 + x / 18.0)))
    s = 1.0 / 11.0 * x * (1.0 + x / 12.0 * (1.0 + x / 13.0 * (1.0 + x / 14.0 * (1.0 + s))))
    s = 1.0 / 8.0 * x * (1.0 + x / 9.0 * (1.0 + x / 10.0 * (1.0 + s)))
    s = 1.0 / 5.0 * x * (1.0 + x / 6.0 * (1.0 + x / 7.0 * (1.0 + s)))
    near = x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + s))))
    return tl.where(tl.abs(x) < 0.7, near, tl.exp(x) - 1.0)
""",
    "_tanh_f64": """\
@triton.jit
def _tanh_f64(x):
    d = _expm1_f64(2.0 * tl.abs(x))
    w = tl.where(tl.abs(x) > 20.0, 1.0, d / (d + 2.0))
    return tl.where(x < 0, -w, w)
""",
    "_all": """\
@triton.jit
def _all(x, axis: tl.constexpr):
    return tl.min((x != 0).to(tl.int32), axis) > 0
""",
    "_any": """\
@triton.jit
def _any(x, axis: tl.constexpr):
    return tl.max((x != 0).to(tl.int32), axis) > 0
""",
    # Through f64, where rounding of the logarithm does not grow with the exponent.
    "_pow": """\
@triton.jit
def _pow(x, y):
    m = tl.exp2(y.to(tl.float64) * tl.log2(tl.abs(x).to(tl.float64))).to(x.dtype)
    m = tl.where(tl.abs(x) == 1, 1.0, m)
    whole = tl.floor(y) == y
    odd = whole & (tl.floor(y * 0.5) * 2.0 != y)
    broken = tl.where(x == float("-inf"), m, float("nan"))
    r = tl.where(x < 0, tl.where(whole, tl.where(odd, -m, m), broken), m)
    return tl.where(y == 0, 1.0, r)
""",
    # tl.max and tl.min skip NaN; arith.maximumf and minimumf do not.
    "_nan_max": """\
@triton.jit
def _nan_max(x, axis: tl.constexpr):
    unordered = tl.max((x != x).to(tl.int32), axis)
    return tl.where(unordered > 0, float("nan"), tl.max(x, axis))
""",
    "_nan_min": """\
@triton.jit
def _nan_min(x, axis: tl.constexpr):
    unordered = tl.max((x != x).to(tl.int32), axis)
    return tl.where(unordered > 0, float("nan"), tl.min(x, axis))
""",
}

SUPPORTED_POWERS = {
    2.0: "({a} * {a})",
    3.0: "({a} * {a} * {a})",
    4.0: "(({a} * {a}) * ({a} * {a}))",
    0.5: "tl.sqrt({a})",
    -0.5: "tl.rsqrt({a})",
    -1.0: "(1.0 / {a})",
    1.0: "{a}",
}
