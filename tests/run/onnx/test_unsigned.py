"""Operators on unsigned integers, against onnxruntime, beyond the largest signed number."""

from __future__ import annotations

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.runtime.errors import StratagemError
from tests.run.onnx.harness import Array, check, model_of


def numbers(bits: int) -> Array:
    """Eleven numbers around the borders of the signed and the unsigned type."""
    half = 2 ** (bits - 1)
    border = [half - 1, half, half + 1, half + half // 2, 2 * half - 2, 2 * half - 1]
    return np.array([0, 1, 2, 100, *border, 3], f"uint{bits}")


@pytest.mark.parametrize("bits", [8, 32, 64])
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Greater", "LessOrEqual", "Equal", "Max", "Min"])
def test_operators_that_take_every_width(operator: str, bits: int) -> None:
    kind = "bool" if operator in ("Greater", "LessOrEqual", "Equal") else f"uint{bits}"
    model = model_of(f"g (uint{bits}[11] x, uint{bits}[11] y) => ({kind}[11] z) {{ z = {operator}(x, y) }}")
    check(model, {"x": numbers(bits), "y": np.roll(numbers(bits), 4)})


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize("operator", ["Div", "Mod"])
def test_division(operator: str, bits: int) -> None:
    model = model_of(f"g (uint{bits}[11] x, uint{bits}[11] y) => (uint{bits}[11] z) {{ z = {operator}(x, y) }}")
    check(model, {"x": numbers(bits), "y": np.maximum(np.roll(numbers(bits), 4), 1).astype(f"uint{bits}")})


def test_division_of_uint64_is_refused_by_name() -> None:
    model = model_of("g (uint64[3] x, uint64[3] y) => (uint64[3] z) { z = Div(x, y) }")
    with pytest.raises(StratagemError, match=r"operator Div of node 'z'.*uint64") as refused:
        load_onnx(model, isolate=False)
    assert refused.value.hint and "cast" in refused.value.hint


def test_floats_become_uint8_up_to_255() -> None:
    model = model_of("g (float[N] x) => (uint8[N] y) { y = Cast<to=2>(x) }")
    check(model, {"x": np.array([0, 1.5, 127, 128.5, 200, 255], np.float32)})


def test_compiled_code_takes_and_gives_unsigned_integers() -> None:
    model = model_of("g (uint8[N] x, uint8[N] y) => (uint8[N] q, bool[N] c) { q = Div(x, y)  c = Greater(x, y) }")
    x, y = numbers(8), np.maximum(np.roll(numbers(8), 4), 1).astype(np.uint8)
    quotient, greater = sg.compile(model, target="cpu").executable(x, y)
    assert quotient.dtype == np.uint8 and (quotient == x // y).all()
    assert (greater == (x > y)).all()
