"""Reading linalg ops."""

from __future__ import annotations

import pytest
from torch_mlir import ir

from stratagem.compiler.ir import new_context, parse_module, walk
from stratagem.compiler.schedule.structured import (
    Linear,
    access_of,
    captured,
    is_contraction,
    is_elementwise,
    is_generic,
    linear,
    loop_extents,
)
from tests.unit.schedule.programs import LOOKUP


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("d0", Linear(((0, 1),))),
        ("d0 * 2 + d1", Linear(((0, 2), (1, 1)))),
        ("d1 + 3", Linear(((1, 1),), 3)),
        ("0", Linear()),
        ("d0 - d0", Linear()),
        ("-d0 + 4", Linear(((0, -1),), 4)),
        ("d0 floordiv 2", None),
        ("d0 mod 2", None),
    ],
)
def test_linear_expressions(text: str, meaning: Linear | None) -> None:
    with new_context():
        found = ir.AffineMapAttr(ir.Attribute.parse(f"affine_map<(d0, d1) -> ({text})>")).value
        assert linear(found.results[0]) == meaning
        assert access_of(found) == (meaning,)


def test_a_bare_loop_is_recognised() -> None:
    assert Linear(((2, 1),)).loop == 2
    assert Linear(((2, 2),)).loop is None
    assert Linear(((2, 1),), 1).loop is None


SUM_OF_PRODUCTS = """
func.func @f(%a: tensor<5x7xf32>, %b: tensor<{b}xf32>, %c: tensor<{c}xf32>) -> tensor<{c}xf32> {{
  %0 = linalg.generic {{indexing_maps = [affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> ({read})>,
      affine_map<(i, j, k) -> ({written})>], iterator_types = ["parallel", "parallel", "reduction"]}}
    ins(%a, %b : tensor<5x7xf32>, tensor<{b}xf32>) outs(%c : tensor<{c}xf32>) {{
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %s = {combine} %z, %p : f32
    linalg.yield %s : f32
  }} -> tensor<{c}xf32>
  return %0 : tensor<{c}xf32>
}}"""


@pytest.mark.parametrize(
    ("b", "read", "combine", "expected"),
    [
        ("7x3", "k, j", "arith.addf", True),
        ("3x7", "j, k", "arith.addf", True),
        ("7x3", "k, j", "arith.maximumf", False),
        ("5x3", "i, j", "arith.addf", False),
    ],
)
def test_contractions(b: str, read: str, combine: str, expected: bool) -> None:
    text = SUM_OF_PRODUCTS.format(b=b, read=read, combine=combine, written="i, j", c="5x3")
    module = parse_module(text)
    op = next(o for o in walk(module.operation) if is_generic(o))
    assert is_contraction(op) is expected
    assert not is_elementwise(op)
    assert loop_extents(op) == [5, 3, 7]


def test_values_from_outside_are_captured_once() -> None:
    module = parse_module(LOOKUP)
    op = next(o for o in walk(module.operation) if is_generic(o))
    table = module.body.operations[0].regions[0].blocks[0].arguments[1]
    assert captured(op) == [table]
