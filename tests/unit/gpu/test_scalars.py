"""Numbers in emitted kernels: folding, bounds, and 64-bit arithmetic where 32 bits are not enough."""

from __future__ import annotations

from typing import Any

import pytest
from torch_mlir import ir

from stratagem.compiler.backends.gpu.printer.extents import LARGEST_TILE, padded_extent, tile_shape
from stratagem.compiler.backends.gpu.printer.scalars import (
    Scalar,
    affine,
    combine,
    constant,
    without_parentheses,
)
from stratagem.compiler.ir import new_context
from stratagem.runtime.errors import UnsupportedError


def show(scalar: Scalar) -> str:
    return str(scalar.constant) if scalar.constant is not None else scalar.text


SMALL, LARGE = Scalar(1000, "a"), Scalar(2**31 - 2, "b")


@pytest.mark.parametrize(
    ("operation", "left", "right", "text", "high"),
    [
        ("mul", SMALL, constant(70), "(a * 70)", 70000),
        ("mul", LARGE, constant(70), "(tl.cast(b, tl.int64) * 70)", (2**31 - 2) * 70),
        ("add", LARGE, SMALL, "(tl.cast(b, tl.int64) + tl.cast(a, tl.int64))", 2**31 + 998),
        ("sub", constant(100), SMALL, "(100 - a)", 100),
        ("min", LARGE, constant(32), "min(b, 32)", 32),
        ("mod", LARGE, constant(7), "(b % 7)", 6),
        ("add", SMALL, constant(0), "a", 1000),
        ("mul", SMALL, constant(0), "0", 0),
    ],
)
def test_combine(operation: str, left: Scalar, right: Scalar, text: str, high: int) -> None:
    result = combine(operation, left, right, show)
    assert (show(result), result.high) == (text, high)


def test_host_values_stay_with_the_host() -> None:
    extent = Scalar(2**31 - 2, host=["dim", 0, 0])
    assert combine("ceildiv", extent, constant(32), show).host == ["ceildiv", ["dim", 0, 0], 32]


def affine_value(text: str, dims: list[Scalar]) -> str:
    context: Any = new_context()
    with context:
        expression = ir.AffineMapAttr(ir.Attribute.parse(f"affine_map<{text}>")).value.results[0]
        return show(affine(expression, dims, [], show))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(d0) -> (100 - d0)", "(100 - a)"),
        ("(d0) -> (d0 - 3)", "(a - 3)"),
        ("(d0) -> (d0 * 4 + 2)", "((a * 4) + 2)"),
        ("(d0) -> (50 - d0 * 2)", "(50 - (a * 2))"),
        ("(d0) -> (d0 floordiv 8)", "(a // 8)"),
        ("(d0) -> (d0 ceildiv 8)", "tl.cdiv(a, 8)"),
        ("(d0) -> (d0 mod 8)", "(a % 8)"),
        ("(d0) -> (7)", "7"),
    ],
)
def test_affine_expressions(text: str, expected: str) -> None:
    assert affine_value(text, [SMALL]) == expected


@pytest.mark.parametrize(
    ("size", "smallest", "extent"),
    [(1, 16, 1), (2, 1, 2), (2, 16, 16), (17, 1, 32), (32, 16, 32), (1000, 1, 1024)],
)
def test_extents_are_padded_to_powers_of_two(size: int, smallest: int, extent: int) -> None:
    assert padded_extent(constant(size), smallest) == extent


def test_unbounded_and_oversized_tiles_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=f"bounded by {LARGEST_TILE} elements, .* no static bound"):
        padded_extent(LARGE, 1)
    with pytest.raises(UnsupportedError, match="2048 x 1024 has 2097152 elements"):
        tile_shape([constant(2048), constant(1024)], 1)


@pytest.mark.parametrize(
    ("text", "expected"), [("(a + b)", "a + b"), ("(a) + (b)", "(a) + (b)"), ("a", "a"), ("((a))", "(a)")]
)
def test_without_parentheses(text: str, expected: str) -> None:
    assert without_parentheses(text) == expected
