"""Rows of a softmax are divided where it costs least, and only where the divisor is known to be their sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import equal_in_field, reference
from stratagem.compiler.ir import functions, parse_module, symbol_name, walk
from tests.unit.schedule.programs import ATTENTION, softmax
from tests.unit.schedule.support import lowered

SUBTRACTED = """  %shifted = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel",
  "parallel"]}
    ins(%scores, %max : tensor<3x13x11xf32>, tensor<3x13xf32>) outs(%e : tensor<3x13x11xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.subf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<3x13x11xf32>
"""
NORMALISED = (
    SUBTRACTED.replace("%shifted", "%exp").replace(
        "    linalg.yield %t", "    %u = math.exp %t : f32\n    linalg.yield %u"
    )
    + """  %none = linalg.fill ins(%zero : f32) outs(%r : tensor<3x13xf32>) -> tensor<3x13xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "reduction"]}
    ins(%exp : tensor<3x13x11xf32>) outs(%none : tensor<3x13xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.addf %a, %o : f32
    linalg.yield %t : f32
  } -> tensor<3x13xf32>
  %shifted = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%exp, %sum : tensor<3x13x11xf32>, tensor<3x13xf32>) outs(%e : tensor<3x13x11xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.divf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<3x13x11xf32>
"""
)
NORMALISED_ATTENTION = ATTENTION.replace(SUBTRACTED, NORMALISED)


def divisions(module: Any) -> list[tuple[str, int]]:
    """Of each division: what it divides, `one` or `element`, and how many elements its operation makes."""
    found = []
    for function in functions(module):
        for op in walk(function):
            if op.name != "arith.divf":
                continue
            dividend = op.operands[0].owner
            constant = hasattr(dividend, "name") and dividend.name == "arith.constant"
            kind = op.parent.results[0].type
            found.append(
                ("one" if constant else "element", int(np.prod([kind.get_dim_size(i) for i in range(kind.rank)])))
            )
    return found


def test_a_row_is_divided_by_one_reciprocal() -> None:
    assert divisions(lowered(softmax("4096", 1000), "generic-avx512"))[0][0] == "one"


@pytest.mark.parametrize("queries", [13, 1])
def test_attention_divides_after_its_second_contraction(queries: int) -> None:
    assert NORMALISED_ATTENTION != ATTENTION
    text = NORMALISED_ATTENTION.replace("3x13", f"3x{queries}")
    module = lowered(text, "generic-avx512")
    (kernel,) = [f for f in functions(module) if symbol_name(f) != "main"]
    names = [op.name for op in walk(kernel) if op.name in ("math.exp", "arith.divf", "arith.addf", "arith.mulf")]
    # scores, exponentials, their sum, its reciprocal, the second contraction, its product with the reciprocal
    assert names == [
        "arith.mulf", "arith.addf", "math.exp", "arith.addf", "arith.divf", "arith.mulf", "arith.addf", "arith.mulf",
    ]  # fmt: skip
    assert equal_in_field(parse_module(text), module) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%least = arith.constant 0xFF800000", "%least = arith.constant -1.0"),  # a row may be less than that
        ("math.exp %d", "math.exp2 %d"),
        ("%s = arith.maximumf %a, %o", "%s = arith.minimumf %a, %o"),
        ("%d = arith.subf %a, %m1", "%d = arith.addf %a, %m1"),
        ("%zero = arith.constant 0.0", "%zero = arith.constant 1.0"),
    ],
)
def test_other_divisors_divide_as_written(old: str, new: str) -> None:
    text = softmax("64", 129)
    assert old in text
    assert divisions(lowered(text, "generic-avx512"))[0][0] == "one"
    assert [kind for kind, _ in divisions(lowered(text.replace(old, new), "generic-avx512"))] == ["element"]


@pytest.mark.parametrize(
    ("old", "new"), [("math.exp %t", "math.exp2 %t"), ("%t = arith.divf %a, %b", "%t = arith.divf %b, %a")]
)
def test_other_quotients_are_contracted_as_written(old: str, new: str) -> None:
    text = NORMALISED_ATTENTION.replace(old, new)
    assert text != NORMALISED_ATTENTION
    module = lowered(text, "generic-avx512")
    assert [kind for kind, _ in divisions(module)] == ["element"]
    assert equal_in_field(parse_module(text), module) is None


def test_narrow_floats_divide_as_written() -> None:
    text = softmax("64", 129).replace("f32", "f16").replace("0xFF800000", "0xFC00")
    assert [kind for kind, _ in divisions(lowered(text, "generic-avx512"))] == ["element"]


def test_a_long_contraction_result_is_not_divided_afterwards() -> None:
    """With more columns of values than probabilities in a row, dividing these is less."""
    wide = NORMALISED_ATTENTION.replace(
        "%v: tensor<3x11x8xf32>) -> tensor<3x13x8xf32>", "%v: tensor<3x11x40xf32>) -> tensor<3x13x40xf32>"
    )
    wide = wide.replace("%g = tensor.empty() : tensor<3x13x8xf32>", "%g = tensor.empty() : tensor<3x13x40xf32>")
    head, tail = wide.split("  %h = linalg.fill")
    wide = head + "  %h = linalg.fill" + tail.replace("3x13x8x", "3x13x40x").replace("3x11x8x", "3x11x40x")
    module = lowered(wide, "generic-avx512")
    (kernel,) = [f for f in functions(module) if symbol_name(f) != "main"]
    last = [op.name for op in walk(kernel) if op.name in ("arith.divf", "arith.addf", "arith.mulf")][-3:]
    assert last == ["arith.mulf", "arith.mulf", "arith.addf"]  # by the reciprocal, then the contraction


@pytest.mark.parametrize(
    "row", [[-np.inf, -np.inf, -np.inf], [np.nan, 1.0, 2.0], [-np.inf, 0.0, 88.0], [-200.0, -300.0, 3e38]]
)
def test_unusual_rows_are_as_before(row: list[float]) -> None:
    text = softmax("1", 3).replace("%x: tensor<1x3xf32>)", '%x: tensor<1x3xf32> {model.input = "x"})')
    text = text.replace("-> tensor<1x3xf32> {\n    %zero", '-> (tensor<1x3xf32> {model.output = "y"}) {\n    %zero')
    data = {"x": np.array([row], np.float32)}
    before, after = reference(parse_module(text), data), reference(lowered(text, "generic-avx512"), data)
    assert np.allclose(before[0], after[0], equal_nan=True)
