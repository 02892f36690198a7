"""Integer operations: width, wrap-around, signedness, division rules."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import Violation
from tests.unit.interpreter.support import Array, result, results

A = np.array([7, -7, 127, -128, 0, -1], np.int8)
B = np.array([2, 2, 3, 7, 5, 3], np.int8)


def binary(op: str, x: Array, y: Array, kind: str = "i8") -> Array:
    t = f"tensor<{len(x)}x{kind}>"
    return result(f"(%a: {t}, %b: {t}) -> {t}", f"%r = {op} %a, %b : {t}\nreturn %r : {t}", x, y)


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        ("arith.addi", [9, -5, -126, -121, 5, 2]),
        ("arith.subi", [5, -9, 124, 121, -5, -4]),
        ("arith.muli", [14, -14, 125, -128, 0, -3]),
        ("arith.divsi", [3, -3, 42, -18, 0, 0]),
        ("arith.floordivsi", [3, -4, 42, -19, 0, -1]),
        ("arith.ceildivsi", [4, -3, 43, -18, 0, 0]),
        ("arith.divui", [3, 124, 42, 18, 0, 85]),
        ("arith.ceildivui", [4, 125, 43, 19, 0, 85]),
        ("arith.remsi", [1, -1, 1, -2, 0, -1]),
        ("arith.remui", [1, 1, 1, 2, 0, 0]),
        ("arith.maxsi", [7, 2, 127, 7, 5, 3]),
        ("arith.maxui", [7, -7, 127, -128, 5, -1]),
        ("arith.minsi", [2, -7, 3, -128, 0, -1]),
        ("arith.minui", [2, 2, 3, 7, 0, 3]),
        ("arith.andi", [2, 0, 3, 0, 0, 3]),
        ("arith.ori", [7, -5, 127, -121, 5, -1]),
        ("arith.xori", [5, -5, 124, -121, 5, -4]),
        ("arith.shli", [28, -28, -8, 0, 0, -8]),
        ("arith.shrsi", [1, -2, 15, -1, 0, -1]),
        ("arith.shrui", [1, 62, 15, 1, 0, 31]),
    ],
)
def test_i8(op: str, wanted: list[int]) -> None:
    got = binary(op, A, B)
    assert got.dtype == np.int8
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        ("addi", [0, 1, 1, 0]),
        ("muli", [0, 0, 0, 1]),
        ("subi", [0, 1, 1, 0]),
        ("maxsi", [0, 0, 0, 1]),
        ("maxui", [0, 1, 1, 1]),
    ],
)
def test_i1_is_arithmetic_modulo_two(op: str, wanted: list[int]) -> None:
    """As a signed number a true i1 is -1, so `maxsi` is a conjunction."""
    x, y = np.array([0, 0, 1, 1], np.bool_), np.array([0, 1, 0, 1], np.bool_)
    np.testing.assert_array_equal(binary(f"arith.{op}", x, y, "i1"), np.array(wanted, np.bool_))


@pytest.mark.parametrize(
    ("predicate", "wanted"),
    [
        ("slt", [0, 1, 0, 1, 1, 1]),
        ("ult", [0, 0, 0, 0, 1, 0]),
        ("sge", [1, 0, 1, 0, 0, 0]),
        ("ugt", [1, 1, 1, 1, 0, 1]),
        ("ne", [1] * 6),
    ],
)
def test_compare(predicate: str, wanted: list[int]) -> None:
    t, i1 = "tensor<6xi8>", "tensor<6xi1>"
    got = result(f"(%a: {t}, %b: {t}) -> {i1}", f"%r = arith.cmpi {predicate}, %a, %b : {t}\nreturn %r : {i1}", A, B)
    np.testing.assert_array_equal(got, np.array(wanted, np.bool_))


@pytest.mark.parametrize(
    ("op", "source", "target", "values", "wanted"),
    [
        ("extsi", "i8", "i32", [-1, 5], [-1, 5]),
        ("extui", "i8", "i32", [-1, 5], [255, 5]),
        ("trunci", "i32", "i8", [300, -300], [44, -44]),
        ("extsi", "i1", "i32", [1, 0], [-1, 0]),
        ("extui", "i1", "i32", [1, 0], [1, 0]),
        ("trunci", "i32", "i1", [3, 2], [True, False]),
    ],
)
def test_conversions(op: str, source: str, target: str, values: list[int], wanted: list[int]) -> None:
    dtype = {"i1": np.bool_, "i8": np.int8, "i32": np.int32}[source]
    a, b = f"tensor<2x{source}>", f"tensor<2x{target}>"
    got = result(f"(%a: {a}) -> {b}", f"%r = arith.{op} %a : {a} to {b}\nreturn %r : {b}", np.array(values, dtype))
    np.testing.assert_array_equal(got, wanted)


def test_float_conversions() -> None:
    x = np.array([-1, 100], np.int8)
    t, f = "tensor<2xi8>", "tensor<2xf32>"
    body = f"%r = arith.uitofp %a : {t} to {f}\nreturn %r : {f}"
    np.testing.assert_array_equal(result(f"(%a: {t}) -> {f}", body, x), [255.0, 100.0])
    body = f"%r = arith.fptosi %a : {f} to {t}\nreturn %r : {t}"
    np.testing.assert_array_equal(result(f"(%a: {f}) -> {t}", body, np.array([-2.7, 3e9], np.float32)), [-2, 127])
    body = f"%r = arith.fptoui %a : {f} to {t}\nreturn %r : {t}"
    np.testing.assert_array_equal(result(f"(%a: {f}) -> {t}", body, np.array([200.9, -3.0], np.float32)), [-56, 0])


@pytest.mark.parametrize(
    ("op", "values", "wanted"),
    [
        ("math.absi", [-5, 3], [5, 3]),
        ("math.ctlz", [1, 0], [7, 8]),
        ("math.cttz", [8, 0], [3, 8]),
        ("math.ctpop", [-1, 5], [8, 2]),
    ],
)
def test_bit_counts(op: str, values: list[int], wanted: list[int]) -> None:
    t = "tensor<2xi8>"
    got = result(f"(%a: {t}) -> {t}", f"%r = {op} %a : {t}\nreturn %r : {t}", np.array(values, np.int8))
    np.testing.assert_array_equal(got, wanted)


def test_wide_products_and_carries() -> None:
    t, i1 = "tensor<2xi8>", "tensor<2xi1>"
    x, y = np.array([-1, 100], np.int8), np.array([2, 100], np.int8)
    body = f"%l, %h = arith.mului_extended %a, %b : {t}\nreturn %l, %h : {t}, {t}"
    low, high = results(f"(%a: {t}, %b: {t}) -> ({t}, {t})", body, x, y)
    np.testing.assert_array_equal(low, [-2, 16])
    np.testing.assert_array_equal(high, [1, 39])
    body = f"%l, %h = arith.addui_extended %a, %b : {t}, {i1}\nreturn %l, %h : {t}, {i1}"
    low, carry = results(f"(%a: {t}, %b: {t}) -> ({t}, {i1})", body, x, y)
    np.testing.assert_array_equal(low, [1, -56])
    np.testing.assert_array_equal(carry, [True, False])


def test_division_by_zero_is_a_violation() -> None:
    with pytest.raises(Violation, match="division by zero"):
        binary("arith.divsi", A, np.zeros(6, np.int8))


def test_index_dialect_and_affine_agree() -> None:
    body = """
    %c5 = index.constant 5
    %q = index.floordivs %a, %c5
    %r = index.rems %a, %c5
    %m = affine.apply affine_map<(d0) -> (d0 mod 5 + (d0 floordiv 5) * 100 + (d0 ceildiv 5) * 10000)>(%a)
    %t = tensor.from_elements %q, %r, %m : tensor<3xindex>
    return %t : tensor<3xindex>"""
    got = result("(%a: index) -> tensor<3xindex>", body, np.array(-7))
    np.testing.assert_array_equal(got, [-2, -2, 3 - 200 - 10000])
    assert result("(%a: index) -> tensor<3xindex>", body, np.array(12))[2] == 2 + 200 + 30000
