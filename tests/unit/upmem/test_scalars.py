"""Every scalar operation with a C form agrees with the reference interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.backends.upmem.dtypes import dtype_named
from stratagem.compiler.backends.upmem.scalars import float_literal, integer_literal
from stratagem.runtime.errors import UnsupportedError
from tests.unit.upmem import kernels
from tests.unit.upmem.support import Array, check, emit

EDGES: dict[str, Array] = {
    "i32": np.array([0, 1, -1, 7, -8, 2**31 - 1, -(2**31) + 1, 12345, -3], np.int32),
    "i8": np.array([0, 1, -1, 7, -8, 127, -127, 99, -3], np.int8),
    "i64": np.array([0, 1, -1, 7, -8, 2**62, -(2**62), 12345678901, -3], np.int64),
    "f32": np.array([0.0, 1.0, -1.0, 0.3, -2.5, 77.0, -88.0, 1e-20, 3.25], np.float32),
}


def operands(*types: str) -> list[Array]:
    return [np.roll(EDGES[t], k) for k, t in enumerate(types)]


INTEGER = ["addi", "subi", "muli", "andi", "ori", "xori", "maxsi", "minsi", "maxui", "minui"]


@pytest.mark.parametrize("dtype", ["i32", "i8"])
def test_integer_operations(dtype: str) -> None:
    lines = [f"%v{n} = arith.{op} %{'x0' if n == 0 else f'v{n - 1}'}, %x1 : {dtype}" for n, op in enumerate(INTEGER)]
    body = "\n        ".join([*lines, f"%y = arith.addi %v{len(lines) - 1}, %x0 : {dtype}"])
    a, b = operands(dtype, dtype)
    check(kernels.elementwise(9, (dtype, dtype), dtype, body), [a, b], np.zeros_like(a))


@pytest.mark.parametrize("op", ["divsi", "remsi", "divui", "shrsi", "shrui", "shli"])
def test_integer_division_and_shifts(op: str) -> None:
    a = EDGES["i32"]
    b = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9], np.int32)
    check(kernels.elementwise(9, ("i32", "i32"), "i32", f"%y = arith.{op} %x0, %x1 : i32"), [a, b], np.zeros_like(a))


@pytest.mark.parametrize("predicate", ["eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"])
def test_integer_comparisons(predicate: str) -> None:
    body = f"%c = arith.cmpi {predicate}, %x0, %x1 : i32\n        %y = arith.select %c, %x0, %x1 : i32"
    a, b = operands("i32", "i32")
    check(kernels.elementwise(9, ("i32", "i32"), "i32", body), [a, b], np.zeros_like(a))


@pytest.mark.parametrize("predicate", ["oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "une", "uno"])
def test_float_comparisons(predicate: str) -> None:
    one, two = "%k1 = arith.constant 1 : i32", "%k0 = arith.constant 0 : i32"
    body = "\n        ".join(
        [one, two, f"%c = arith.cmpf {predicate}, %x0, %x1 : f32", "%y = arith.select %c, %k1, %k0 : i32"]
    )
    a, b = operands("f32", "f32")
    a[3], b[5], b[6] = np.nan, np.nan, a[6]
    expected = {
        "oeq": a == b, "ogt": a > b, "oge": a >= b, "olt": a < b, "ole": a <= b,
        "one": (a != b) & ~np.isnan(a) & ~np.isnan(b), "ord": ~np.isnan(a) & ~np.isnan(b),
        "ueq": (a == b) | np.isnan(a) | np.isnan(b), "ugt": (a > b) | np.isnan(a) | np.isnan(b),
        "une": a != b, "uno": np.isnan(a) | np.isnan(b),
    }[predicate]  # fmt: skip
    output = np.zeros(9, np.int32)
    from tests.unit.upmem.support import run

    run(emit(kernels.elementwise(9, ("f32", "f32"), "i32", body)), [a, b], output)
    assert output.tolist() == expected.astype(int).tolist()


@pytest.mark.parametrize("op", ["addf", "subf", "mulf", "maximumf", "minimumf", "maxnumf", "minnumf"])
def test_float_operations(op: str) -> None:
    a, b = operands("f32", "f32")
    check(kernels.elementwise(9, ("f32", "f32"), "f32", f"%y = arith.{op} %x0, %x1 : f32"), [a, b], np.zeros_like(a))


@pytest.mark.parametrize("op", ["exp", "sqrt", "rsqrt", "log", "tanh", "erf", "absf", "floor", "ceil"])
def test_functions(op: str) -> None:
    a = np.abs(EDGES["f32"]) + np.float32(0.01) if op in ("sqrt", "rsqrt", "log") else EDGES["f32"].copy()
    check(kernels.elementwise(9, ("f32",), "f32", f"%y = math.{op} %x0 : f32"), [a], np.zeros_like(a))


@pytest.mark.parametrize(
    "op, source, result",
    [("extsi", "i8", "i32"), ("extui", "i8", "i32"), ("trunci", "i32", "i8"), ("sitofp", "i32", "f32")],
)
def test_casts(op: str, source: str, result: str) -> None:
    a = EDGES[source]
    output = np.zeros(9, {"i32": np.int32, "i8": np.int8, "f32": np.float32}[result])
    check(kernels.elementwise(9, (source,), result, f"%y = arith.{op} %x0 : {source} to {result}"), [a], output)


def test_what_has_no_c_form_is_refused_by_name_and_place() -> None:
    text = kernels.elementwise(9, ("f32",), "f32", "%y = math.sin %x0 : f32")
    with pytest.raises(UnsupportedError, match=r"kernel elementwise: math.sin on f32 has no C form on a DPU") as caught:
        emit(text)
    assert "f32 has: exp, sqrt" in str(caught.value)
    with pytest.raises(UnsupportedError, match="element type bf16 has no C type on a DPU"):
        emit(kernels.elementwise(9, ("bf16",), "bf16", "%y = arith.addf %x0, %x0 : bf16"))


def test_literals_are_exact() -> None:
    f32, i32, i64 = dtype_named("f32"), dtype_named("i32"), dtype_named("i64")
    assert float_literal(0.1, f32) == "0x1.999999999999ap-4f"
    assert float_literal(-1.5, f32) == "(-0x1.8000000000000p+0f)"
    assert float_literal(float("-inf"), f32) == "(-sg_inff())"
    assert integer_literal(-(2**31), i32) == "INT32_MIN"
    assert integer_literal(-5, i64) == "(INT64_C(-5))"
