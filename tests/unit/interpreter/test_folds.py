"""MLIR's folding of constants finds what the reference finds, at the edges of every function's domain."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.interpreter.domains.functions import FUNCTIONS
from stratagem.compiler.ir import parse_module, run_pipeline, to_text
from stratagem.compiler.passes.guard_arctangents import guard_arctangents

EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-40, 100.0)
KINDS: dict[str, tuple[Any, Any, int]] = {"f32": (np.float32, np.uint32, 8), "f64": (np.float64, np.uint64, 16)}
SLACK = 4
"""Units in the last place between two good implementations."""
UNARY = sorted(
    {"exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "cbrt", "sin", "cos", "tan", "asin"}
    | {"acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "floor", "ceil", "trunc", "round"}
)
BINARY = {"math.atan2": "atan2", "math.powf": "pow", "math.copysign": "copysign", "arith.divf": "div"}
BINARY |= {"arith.remf": "rem", "arith.maximumf": "maximum", "arith.minimumf": "minimum"}
ZEROS = ("arith.maximumf", "arith.minimumf")
"""Of which the reference leaves the sign of a zero open."""


def folded(operation: str, dtype: str, *calls: tuple[float, ...]) -> list[float | None]:
    """What folding makes of each call of an operation on constants; None where it leaves it."""
    kind, bits, digits = KINDS[dtype]
    lines = []
    for n, arguments in enumerate(calls):
        names = [f"%c{n}_{i}" for i in range(len(arguments))]
        pairs = zip(names, arguments, strict=True)
        lines += [f"{name} = arith.constant 0x{int(kind(a).view(bits)):0{digits}X} : {dtype}" for name, a in pairs]
        lines.append(f"%r{n} = {operation} {', '.join(names)} : {dtype}")
    results, types = ", ".join(f"%r{n}" for n in range(len(calls))), ", ".join([dtype] * len(calls))
    body = "\n".join([*lines, f"return {results} : {types}"])
    module = parse_module(f"func.func @main() -> ({types}) {{\n{body}\n}}")
    guard_arctangents(module)
    run_pipeline(module, "builtin.module(canonicalize,cse)")
    text = to_text(module, locations=False)
    constants = dict(re.findall(rf"(%\S+) = arith.constant (\S+) : {dtype}", text))
    returned = re.search(r"return (.*) :", text)
    assert returned, text
    found = [constants.get(name) for name in returned[1].split(", ")]
    return [None if value is None else number(value, dtype) for value in found]


def number(text: str, dtype: str) -> float:
    """A constant as MLIR prints it: in decimals, or as bits."""
    kind, bits, _ = KINDS[dtype]
    return float(bits(int(text, 16)).view(kind) if text.startswith("0x") else kind(text))


def check(operation: str, function: str, dtype: str, *calls: tuple[float, ...]) -> None:
    kind = KINDS[dtype][0]
    for arguments, found in zip(calls, folded(operation, dtype, *calls), strict=True):
        if found is None:
            continue
        with np.errstate(all="ignore"):
            expected = kind(FUNCTIONS[function](*(np.float64(kind(a)) for a in arguments)))
        said = f"{operation} of {arguments} in {dtype}: folding says {found}, the reference {expected}"
        assert np.isnan(found) == np.isnan(expected), said
        if not np.isnan(expected):
            signs = expected != 0 or operation in ZEROS or np.signbit(found) == np.signbit(expected)
            assert signs and (found == expected or abs(found - expected) <= SLACK * np.spacing(abs(expected))), said


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("function", UNARY)
def test_functions_of_one_number(function: str, dtype: str) -> None:
    check(f"math.{function}", function, dtype, *((x,) for x in EDGES))


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("operation", BINARY)
def test_functions_of_two_numbers(operation: str, dtype: str) -> None:
    check(operation, BINARY[operation], dtype, *product(EDGES, EDGES))


def test_folding_is_at_work() -> None:
    assert folded("math.atan2", "f32", (0.0, -0.0), (-0.0, 0.0)) == [pytest.approx(np.pi), 0.0]
    assert folded("math.powf", "f32", (-np.inf, 0.5)) == [np.inf]


@pytest.mark.parametrize("exponent", [0.5, np.array(0.5), np.array([0.5]), np.full(3, 0.5)])
def test_powers_do_not_depend_on_how_the_exponent_is_stored(exponent: float) -> None:
    found = FUNCTIONS["pow"](np.array([-np.inf, -0.0, 4.0]), exponent)
    assert found.tolist() == [np.inf, 0.0, 2.0] and not np.signbit(found[1])


@pytest.mark.parametrize("function", ["divsi", "remsi", "divui", "remui", "floordivsi", "ceildivsi"])
def test_division_by_zero_is_left_for_the_program_to_report(function: str) -> None:
    operation = f"arith.{function}"
    body = f"%a = arith.constant 7 : i32\n%b = arith.constant 0 : i32\n%r = {operation} %a, %b : i32"
    module = parse_module(f"func.func @main() -> i32 {{\n{body}\nreturn %r : i32\n}}")
    run_pipeline(module, "builtin.module(canonicalize,cse)")
    assert operation in to_text(module)
