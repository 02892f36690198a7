"""Scales move from the much larger factor of a product to the smaller one, and nothing else does."""

from __future__ import annotations

import pytest

from stratagem.compiler.interpreter.api import equal_in_field
from stratagem.compiler.ir import parse_module, walk
from stratagem.compiler.schedule.prepare import prepare
from stratagem.compiler.schedule.structured import is_contraction, owner
from tests.unit.schedule.support import lowered

SCALED = """
#id = affine_map<(i, j) -> (i, j)>
func.func @main(%a: tensor<{m}x{k}xf32> {{model.input = "a"}}, %b: tensor<{k}x{n}xf32> {{model.input = "b"}})
    -> (tensor<{m}x{n}xf32> {{model.output = "y"}}{more_type}) {{
  %zero = arith.constant 0.0 : f32
  %s = arith.constant 0.125 : f32
  %e = tensor.empty() : tensor<{shape}xf32>
  %scaled = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%{which} : tensor<{shape}xf32>) outs(%e : tensor<{shape}xf32>) {{
  ^bb0(%x: f32, %o: f32):
    {body}
    linalg.yield %p : f32
  }} -> tensor<{shape}xf32>
  %f = tensor.empty() : tensor<{m}x{n}xf32>
  %z = linalg.fill ins(%zero : f32) outs(%f : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
  %y = linalg.matmul ins({left} : tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>) outs(%z : tensor<{m}x{n}xf32>)
    -> tensor<{m}x{n}xf32>
  return %y{more} : tensor<{m}x{n}xf32>{more_result}
}}"""
TIMES = "%p = arith.mulf %x, %s : f32"
SQUARED = "%p = arith.mulf %x, %x : f32"
SHIFTED = "%p = arith.addf %x, %s : f32"
BY_PLACE = """%i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i32
    %t = arith.sitofp %j : i32 to f32
    %p = arith.mulf %x, %t : f32"""


def program(m: int, k: int, n: int, which: str = "b", body: str = TIMES, returned: bool = False) -> str:
    shape = f"{m}x{k}" if which == "a" else f"{k}x{n}"
    left = "%scaled, %b" if which == "a" else "%a, %scaled"
    more = {
        "more": ", %scaled" if returned else "",
        "more_type": f', tensor<{shape}xf32> {{model.output = "r"}}' if returned else "",
        "more_result": f", tensor<{shape}xf32>" if returned else "",
    }
    return SCALED.format(m=m, k=k, n=n, which=which, shape=shape, left=left, body=body, **more)


def scaled_factors(text: str) -> list[bool]:
    """Of the product's factors, whether each is computed."""
    module = parse_module(text)
    prepare(module)
    (product,) = [op for op in walk(module.operation) if is_contraction(op)]
    return [owner(v) is not None for v in list(product.operands)[:2]]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (program(1, 13, 37), [True, False]),
        (program(37, 13, 1, which="a"), [False, True]),
        (program(7, 13, 28), [True, False]),
        (program(7, 13, 27), [False, True]),  # not much smaller
        (program(37, 13, 1), [False, True]),  # the small one is scaled already
        (program(1, 13, 37, body=SQUARED), [False, True]),
        (program(1, 13, 37, body=SHIFTED), [False, True]),
        (program(1, 13, 37, body=BY_PLACE), [False, True]),
        (program(1, 13, 37, returned=True), [False, True]),  # the scaled tensor is made anyway
    ],
)
def test_the_much_smaller_factor_is_scaled(text: str, wanted: list[bool]) -> None:
    assert scaled_factors(text) == wanted
    assert equal_in_field(parse_module(text), lowered(text, "generic-avx512")) is None
