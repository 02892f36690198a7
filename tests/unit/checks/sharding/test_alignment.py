"""Parts that lie across the dimensions that one was merged from, and ranks that count through several of them."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.verdicts import Verdict
from tests.unit.checks.sharding import programs as p


def projection(inner: int, before: str, source: str, w: str, after: str) -> str:
    """(rows, heads x width) times a matrix, from x of (width, rows, heads): 4, 5 and 3."""
    return f"""
func.func @main(%x: tensor<4x5x3xf32> {{model.input = "x"}}, %w: tensor<{inner}x2xf32> {w})
    -> (tensor<5x2xf32> {{model.output = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  %n = tensor.empty() : tensor<5x3x4xf32>
  %t = linalg.transpose ins(%x : tensor<4x5x3xf32>) outs(%n : tensor<5x3x4xf32>) permutation = [1, 2, 0]
  %m = tensor.collapse_shape %t [[0], [1, 2]] : tensor<5x3x4xf32> into tensor<5x12xf32>
  {before}
  %o = tensor.empty() : tensor<5x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%o : tensor<5x2xf32>) -> tensor<5x2xf32>
  %q = linalg.matmul ins({source}, %w : tensor<5x{inner}xf32>, tensor<{inner}x2xf32>)
      outs(%f : tensor<5x2xf32>) -> tensor<5x2xf32>
  {after}
}}
"""


def own_columns(sizes: str, place: str, parts: str, one: str) -> str:
    """Part `place` of the merged dimension, seen as `sizes`."""
    rank = len(sizes.split(",")) - 1
    groups = ", ".join(str(i) for i in range(1, rank + 1))
    offsets = ", ".join("%r" if i == place else "0" for i in "abc"[:rank])
    return f"""
  %e = tensor.expand_shape %m [[0], [{groups}]] output_shape [{sizes}] : tensor<5x12xf32> into tensor<{parts}xf32>
  %r = "system.rank"() {{axis = "node"}} : () -> index
  %s = tensor.extract_slice %e[0, {offsets}] [{one.replace("x", ", ")}] [{", ".join("1" for _ in range(rank + 1))}]
      : tensor<{parts}xf32> to tensor<{one}xf32>
  %p = tensor.collapse_shape %s [[0], [{groups}]] : tensor<{one}xf32> into tensor<5x6xf32>"""


WHOLE, ROWS = '{model.param = "w"}', '{model.param = "w", system.shard = "node:0"}'
UNCUT = projection(12, "", "%m", WHOLE, "return %q : tensor<5x2xf32>")
SUM = """
  %y = "system.all_reduce"(%q) {axis = "node", reduction = "sum"} : (tensor<5x2xf32>) -> tensor<5x2xf32>
  return %y : tensor<5x2xf32>"""
HALVES = own_columns("5, 2, 6", "a", "5x2x6", "5x1x6")


def test_one_and_a_half_heads_per_rank() -> None:
    assert p.checked(UNCUT, projection(6, HALVES, "%p", ROWS, SUM)).verdict is Verdict.PROVED


def test_what_is_wrong_with_such_parts_is_not_checked() -> None:
    """A difference may come from factors that do not fit; `verify=full` compares the values."""
    cut = projection(6, HALVES, "%p", ROWS, p.changed(SUM, '"sum"', '"max"'))
    finding = p.checked(UNCUT, cut)
    assert finding.verdict is Verdict.NOT_CHECKED
    assert "is cut across those that it was merged from; system.all_reduce" in finding.detail


def scaled_columns(columns: int, before: str, source: str, after: str) -> str:
    """exp of (rows, heads x width), from x of (2, 5, 2)."""
    kind = f"tensor<5x{columns}xf32>"
    return f"""
func.func @main(%x: tensor<2x5x2xf32> {{model.input = "x"}}) -> (tensor<5x4xf32> {{model.output = "y"}}) {{
  %n = tensor.empty() : tensor<5x2x2xf32>
  %t = linalg.transpose ins(%x : tensor<2x5x2xf32>) outs(%n : tensor<5x2x2xf32>) permutation = [1, 2, 0]
  %m = tensor.collapse_shape %t [[0], [1, 2]] : tensor<5x2x2xf32> into tensor<5x4xf32>
  {before}
  %o = tensor.empty() : {kind}
  %q = linalg.exp ins({source} : {kind}) outs(%o : {kind}) -> {kind}
  {after}
}}
"""


OWN_COLUMN = """
  %z = tensor.empty() : tensor<4x5xf32>
  %c = linalg.transpose ins(%m : tensor<5x4xf32>) outs(%z : tensor<4x5xf32>) permutation = [1, 0]
  %r = "system.rank"() {axis = "node"} : () -> index
  %s = tensor.extract_slice %c[%r, 0] [1, 5] [1, 1] : tensor<4x5xf32> to tensor<1x5xf32>
  %p = tensor.collapse_shape %s [[0, 1]] : tensor<1x5xf32> into tensor<5xf32>
  %p1 = tensor.expand_shape %p [[0, 1]] output_shape [5, 1] : tensor<5xf32> into tensor<5x1xf32>"""


def all_columns(permutation: str) -> str:
    return f"""
  %i = tensor.expand_shape %q [[0], [1, 2]] output_shape [5, 1, 1] : tensor<5x1xf32> into tensor<5x1x1xf32>
  %g = "system.all_gather"(%i) {{axis = "node", dim = 1 : i64}} : (tensor<5x1x1xf32>) -> tensor<5x4x1xf32>
  %h = tensor.collapse_shape %g [[0], [1, 2]] : tensor<5x4x1xf32> into tensor<5x4xf32>
  %j = tensor.expand_shape %h [[0], [1, 2]] output_shape [5, 2, 2] : tensor<5x4xf32> into tensor<5x2x2xf32>
  %k = tensor.empty() : tensor<5x2x2xf32>
  %l = linalg.transpose ins(%j : tensor<5x2x2xf32>) outs(%k : tensor<5x2x2xf32>) permutation = [{permutation}]
  %y = tensor.collapse_shape %l [[0], [1, 2]] : tensor<5x2x2xf32> into tensor<5x4xf32>
  return %y : tensor<5x4xf32>"""


@pytest.mark.parametrize("permutation, verdict", [("0, 1, 2", Verdict.PROVED), ("0, 2, 1", Verdict.REFUTED)])
def test_four_ranks_that_count_through_two_dimensions(permutation: str, verdict: Verdict) -> None:
    uncut = scaled_columns(4, "", "%m", "return %q : tensor<5x4xf32>")
    cut = scaled_columns(1, OWN_COLUMN, "%p1", all_columns(permutation))
    assert p.checked(uncut, cut, ranks=4).verdict is verdict


def inverted(rows: int, before: str, source: str, limit: str, after: str) -> str:
    """1 / x, where no element may reach the limit."""
    kind = f"tensor<{rows}x3xf32>"
    return f"""
func.func @main(%x: tensor<8x3xf32> {{model.input = "x"}}) -> (tensor<8x3xf32> {{model.output = "y"}}) {{
  %limit = arith.constant {limit} : f32
  {before}
  %n = tensor.empty() : {kind}
  %q = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}}
      ins({source} : {kind}) outs(%n : {kind}) {{
  ^bb0(%a: f32, %o: f32):
    %below = arith.cmpf olt, %a, %limit : f32
    cf.assert %below, "too large"
    %t = arith.divf %limit, %a : f32
    linalg.yield %t : f32
  }} -> {kind}
  {after}
}}
"""


def test_ranks_assert_together_what_the_uncut_program_does() -> None:
    uncut = inverted(8, "", "%x", "1.0", "return %q : tensor<8x3xf32>")
    cut = inverted(4, p.OWN_ROWS, "%p", "1.0", p.GATHERED)
    assert p.checked(uncut, cut).verdict is Verdict.PROVED
    weaker = p.changed(cut, "arith.cmpf olt", "arith.cmpf ole")
    finding = p.checked(uncut, weaker)
    assert finding.verdict is Verdict.REFUTED and finding.detail == "an assertion of linalg.generic at -:6:8 is missing"
