"""Uncut programs, and right cuts of them over two ranks of axis `node`, to be broken in one place."""

from __future__ import annotations

from stratagem.compiler.checks.sharding.check import check_partition
from stratagem.compiler.checks.verdicts import Finding
from stratagem.compiler.ir import parse_module

MESH = (("node", 2),)

OWN_ROWS = """
  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 4, 3] : tensor<8x3xf32> into tensor<2x4x3xf32>
  %r = "system.rank"() {axis = "node"} : () -> index
  %s = tensor.extract_slice %e[%r, 0, 0] [1, 4, 3] [1, 1, 1] : tensor<2x4x3xf32> to tensor<1x4x3xf32>
  %p = tensor.collapse_shape %s [[0, 1], [2]] : tensor<1x4x3xf32> into tensor<4x3xf32>
"""
EVERY_SECOND_ROW = """
  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [4, 2, 3] : tensor<8x3xf32> into tensor<4x2x3xf32>
  %r = "system.rank"() {axis = "node"} : () -> index
  %s = tensor.extract_slice %e[0, %r, 0] [4, 1, 3] [1, 1, 1] : tensor<4x2x3xf32> to tensor<4x1x3xf32>
  %p = tensor.collapse_shape %s [[0, 1], [2]] : tensor<4x1x3xf32> into tensor<4x3xf32>
"""
QUARTERS = """
  %e = tensor.expand_shape %x [[0, 1], [2]] output_shape [4, 2, 3] : tensor<8x3xf32> into tensor<4x2x3xf32>
  %r = "system.rank"() {axis = "node"} : () -> index
  %s = tensor.extract_slice %e[%r, 0, 0] [2, 2, 3] [1, 1, 1] : tensor<4x2x3xf32> to tensor<2x2x3xf32>
  %p = tensor.collapse_shape %s [[0, 1], [2]] : tensor<2x2x3xf32> into tensor<4x3xf32>
"""


def column_sums(rows: int, before: str, source: str, after: str, initial: str = "%zeros", fold: str = "addf") -> str:
    """Column sums of x, on `rows` rows of it; the result is %q."""
    return f"""
func.func @main(%x: tensor<8x3xf32> {{model.input = "x"}}, %b: tensor<3xf32> {{model.input = "b"}})
    -> (tensor<3xf32> {{model.output = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  %n = tensor.empty() : tensor<3xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%n : tensor<3xf32>) -> tensor<3xf32>
  {before}
  %q = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>],
                       iterator_types = ["reduction", "parallel"]}}
      ins({source} : tensor<{rows}x3xf32>) outs({initial} : tensor<3xf32>) {{
  ^bb0(%a: f32, %o: f32):
    %t = arith.{fold} %o, %a : f32
    linalg.yield %t : f32
  }} -> tensor<3xf32>
  {after}
}}
"""


def all_reduced(reduction: str = "sum", axis: str = "node") -> str:
    return f"""
  %y = "system.all_reduce"(%q) {{axis = "{axis}", reduction = "{reduction}"}} : (tensor<3xf32>) -> tensor<3xf32>
  return %y : tensor<3xf32>"""


SUMS = column_sums(8, "", "%x", "return %q : tensor<3xf32>")
SUMS_CUT = column_sums(4, OWN_ROWS, "%p", all_reduced())


def differences(rows: int, before: str, left: str, right: str, after: str) -> str:
    """exp(left - right), row by row."""
    kind = f"tensor<{rows}x3xf32>"
    return f"""
func.func @main(%x: tensor<8x3xf32> {{model.input = "x"}}, %b: tensor<8x3xf32> {{model.input = "b"}})
    -> (tensor<8x3xf32> {{model.output = "y"}}) {{
  {before}
  %n = tensor.empty() : {kind}
  %d = linalg.sub ins({left}, {right} : {kind}, {kind}) outs(%n : {kind}) -> {kind}
  %q = linalg.exp ins(%d : {kind}) outs(%n : {kind}) -> {kind}
  {after}
}}
"""


GATHERED = """
  %o = tensor.expand_shape %q [[0, 1], [2]] output_shape [1, 4, 3] : tensor<4x3xf32> into tensor<1x4x3xf32>
  %g = "system.all_gather"(%o) {axis = "node", dim = 0 : i64} : (tensor<1x4x3xf32>) -> tensor<2x4x3xf32>
  %y = tensor.collapse_shape %g [[0, 1], [2]] : tensor<2x4x3xf32> into tensor<8x3xf32>
  return %y : tensor<8x3xf32>
"""
NOT_GATHERED = """
  %y = tensor.concat dim(0) %q, %q : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<8x3xf32>
  return %y : tensor<8x3xf32>
"""
GATHERED_INNER = """
  %o = tensor.expand_shape %q [[0, 1], [2]] output_shape [4, 1, 3] : tensor<4x3xf32> into tensor<4x1x3xf32>
  %g = "system.all_gather"(%o) {axis = "node", dim = 1 : i64} : (tensor<4x1x3xf32>) -> tensor<4x2x3xf32>
  %y = tensor.collapse_shape %g [[0, 1], [2]] : tensor<4x2x3xf32> into tensor<8x3xf32>
  return %y : tensor<8x3xf32>
"""


def rows_of_both(one: str, two: str) -> str:
    """%p: the rows of x, %p_b: those of b."""
    other = two.replace("%x", "%b").replace('%r = "system.rank"() {axis = "node"} : () -> index', "")
    return one + other.replace("%e", "%e_b").replace("%s", "%s_b").replace("%p", "%p_b")


DIFFERENCES = differences(8, "", "%x", "%b", "return %q : tensor<8x3xf32>")
DIFFERENCES_CUT = differences(4, rows_of_both(OWN_ROWS, OWN_ROWS), "%p", "%p_b", GATHERED)


def checked(uncut: str, cut: str, ranks: int = 2) -> Finding:
    """What the check says of so many ranks; both texts are valid IR."""
    module = parse_module(cut)
    module.operation.verify()
    (finding,) = check_partition(uncut, module, (("node", ranks),))
    return finding


def changed(text: str, old: str, new: str) -> str:
    """The text with its only `old` changed."""
    assert text.count(old) == 1, f"{text.count(old)} times: {old}"
    return text.replace(old, new)
