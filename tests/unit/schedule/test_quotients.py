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


def at_least(name: str, bound: str, compared: str = "", predicate: str = "olt") -> str:
    """`name_b = select(name < bound, bound, name)` for each row."""
    return f"""
    %{name}_b = linalg.generic {{indexing_maps = [#same, #same], iterator_types = ["parallel"]}}
      ins(%{name} : tensor<64xf32>) outs(%r : tensor<64xf32>) {{
    ^bb0(%a: f32, %o: f32):
      %bound = arith.constant {bound} : f32
      %compared = arith.constant {compared or bound} : f64
      %wide = arith.extf %a : f32 to f64
      %less = arith.cmpf {predicate}, %wide, %compared : f64
      %s = arith.select %less, %bound, %a : f32
      linalg.yield %s : f32
    }} -> tensor<64xf32>
"""


LOWEST = "-3.4028234663852886e+38"


def masked(largest: str, total: str) -> str:
    """A softmax of rows of 129 that gives zeros for a row of minus infinities."""
    text = "#same = affine_map<(d0) -> (d0)>\n" + softmax("64", 129)
    text = text.replace("ins(%x, %max :", "ins(%x, %max_b :").replace("ins(%exp, %sum :", "ins(%exp, %sum_b :")
    for name, made in (("exp", largest), ("y", total)):
        assert f"    %{name} = linalg.generic" in text
        text = text.replace(f"    %{name} = linalg.generic", f"{made}    %{name} = linalg.generic")
    return text


def test_a_masked_row_is_divided_by_one_reciprocal() -> None:
    text = masked(at_least("max", LOWEST), at_least("sum", "1.0"))
    module = lowered(text, "generic-avx512")
    assert divisions(module)[0][0] == "one"
    x = np.random.default_rng(0).standard_normal((64, 129)).astype(np.float32)
    x[3], x[5, 7] = -np.inf, -np.inf
    (expected,), (got,) = (reference(m, [x]) for m in (parse_module(text), module))
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert not got[3].any() and abs(got[5].sum() - 1) < 1e-12


@pytest.mark.parametrize(
    ("largest", "total"),
    [
        (at_least("max", LOWEST), at_least("sum", "0.5")),  # a bound that says nothing of the reciprocal
        (at_least("max", LOWEST), at_least("sum", "1.0", "2.0")),
        (at_least("max", LOWEST), at_least("sum", "1.0", predicate="ogt")),
        (at_least("max", "0xFF800000", "0xFFF0000000000000"), at_least("sum", "1.0")),  # no finite number
        (at_least("max", LOWEST, predicate="ogt"), at_least("sum", "1.0")),
    ],
)
def test_other_bounds_divide_as_written(largest: str, total: str) -> None:
    assert [kind for kind, _ in divisions(lowered(masked(largest, total), "generic-avx512"))] == ["element"]
