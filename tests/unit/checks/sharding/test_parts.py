"""Single rules of the proof: parameters cut at load, control flow, assertions, windows, counters, free sizes."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.verdicts import Verdict
from tests.unit.checks.sharding import programs as p


def product(inner: int, columns: int, w: str, after: str, rows: str = "5") -> str:
    """x w, for x of 5 x 6; `w` is the second argument with its attributes."""
    x = f"tensor<{rows}x6xf32>"
    y, given = f"tensor<{rows}x{columns}xf32>", "(%d)" if rows == "?" else "()"
    return f"""
func.func @main(%x: {x} {{model.input = "x"}}, %w: tensor<{inner}x{columns}xf32> {w})
    -> (tensor<{rows}x4xf32> {{model.output = "y"}}) {{
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : {x}
  %zero = arith.constant 0.0 : f32
  %n = tensor.empty{given} : {y}
  %f = linalg.fill ins(%zero : f32) outs(%n : {y}) -> {y}
  %q = linalg.matmul ins(%x, %w : {x}, tensor<{inner}x{columns}xf32>) outs(%f : {y}) -> {y}
  {after}
}}
"""


WHOLE = '{model.param = "w"}'
COLUMNS = '{model.param = "w", system.shard = "node:1"}'


def columns_gathered(rows: str, first: str = "1, 2, 0", given: str = "5") -> str:
    """All ranks' columns side by side."""
    front, back = f"tensor<1x{rows}x2xf32>", f"tensor<2x{rows}x2xf32>"
    moved, empty = f"tensor<{rows}x2x2xf32>", "(%d)" if rows == "?" else "()"
    return f"""
  %o = tensor.expand_shape %q [[0, 1], [2]] output_shape [1, {given}, 2] : tensor<{rows}x2xf32> into {front}
  %g = "system.all_gather"(%o) {{axis = "node", dim = 0 : i64}} : ({front}) -> {back}
  %m = tensor.empty{empty} : {moved}
  %t = linalg.transpose ins(%g : {back}) outs(%m : {moved}) permutation = [{first}]
  %y = tensor.collapse_shape %t [[0], [1, 2]] : {moved} into tensor<{rows}x4xf32>
  return %y : tensor<{rows}x4xf32>"""


PRODUCT = product(6, 4, WHOLE, "return %q : tensor<5x4xf32>")


@pytest.mark.parametrize("rows, given", [("5", "5"), ("?", "%d")])
def test_a_parameter_cut_along_its_columns(rows: str, given: str) -> None:
    uncut = product(6, 4, WHOLE, f"return %q : tensor<{rows}x4xf32>", rows)
    cut = product(6, 2, COLUMNS, columns_gathered(rows, "1, 0, 2", given), rows)
    assert p.checked(uncut, cut).verdict is Verdict.PROVED


def test_a_wrong_transpose_after_the_gather_is_refuted() -> None:
    finding = p.checked(PRODUCT, product(6, 2, COLUMNS, columns_gathered("5", "1, 2, 0")))
    assert finding.verdict is Verdict.REFUTED and "elements in another order" in finding.detail


@pytest.mark.parametrize("shard", ["node:0", "node:2", "tp:1"])
def test_a_parameter_that_says_another_cut_is_refuted(shard: str) -> None:
    cut = p.changed(product(6, 2, COLUMNS, columns_gathered("5", "1, 0, 2")), "node:1", shard)
    finding = p.checked(PRODUCT, cut)
    assert finding.verdict is Verdict.REFUTED
    said = f"argument 1 ('w') is tensor<6x4xf32>; cut over 2 ranks as '{shard}' it is not tensor<6x2xf32>"
    assert finding.detail == said


def test_a_parameter_cut_without_saying_so_is_refuted() -> None:
    finding = p.checked(PRODUCT, product(6, 2, WHOLE, columns_gathered("5", "1, 0, 2")))
    assert finding.verdict is Verdict.REFUTED and finding.detail.endswith(
        "on a rank it is tensor<6x2xf32>, and not cut"
    )


BRANCH = """
  %true = arith.constant true
  %c = CONDITION
  %q = scf.if %c -> (tensor<8x3xf32>) {
    scf.yield %x : tensor<8x3xf32>
  } else {
    %n = tensor.empty() : tensor<8x3xf32>
    %e = linalg.exp ins(%x : tensor<8x3xf32>) outs(%n : tensor<8x3xf32>) -> tensor<8x3xf32>
    scf.yield %e : tensor<8x3xf32>
  }
  return %q : tensor<8x3xf32>
"""
RANK_IS_ONE = "arith.cmpi eq, %r, %one : index"


def branching(condition: str, before: str = "") -> str:
    return f"""
func.func @main(%x: tensor<8x3xf32> {{model.input = "x"}}, %f: tensor<i1> {{model.input = "f"}})
    -> (tensor<8x3xf32> {{model.output = "y"}}) {{
  %one = arith.constant 1 : index
  {before}
  {p.changed(BRANCH, "CONDITION", condition)}
}}
"""


def test_branches_must_go_the_same_way_on_every_rank() -> None:
    uncut = branching("tensor.extract %f[] : tensor<i1>")
    assert p.checked(uncut, uncut).verdict is Verdict.PROVED
    cut = branching(RANK_IS_ONE, '%r = "system.rank"() {axis = "node"} : () -> index')
    finding = p.checked(uncut, cut)
    assert finding.verdict is Verdict.REFUTED
    assert finding.detail == (
        "arith.cmpi at -:8:8 computes nothing that the uncut program does: operand 0 is other numbers on every rank of "
        "'node', from system.rank at -:5:8; operand 1 is the whole of arith.constant at -:4:10"
    )


def test_a_branch_with_other_contents_is_refuted() -> None:
    uncut = branching("tensor.extract %f[] : tensor<i1>")
    finding = p.checked(uncut, p.changed(uncut, "linalg.exp", "linalg.log"))
    assert finding.verdict is Verdict.REFUTED and "scf.if" in finding.detail


def asserting(check: str) -> str:
    return f"""
func.func @main(%x: tensor<?x3xf32> {{model.input = "x"}}, %f: tensor<i1> {{model.input = "f"}})
    -> (tensor<?x3xf32> {{model.output = "y"}}) {{
  %c = tensor.extract %f[] : tensor<i1>
  {check}
  return %x : tensor<?x3xf32>
}}
"""


FLAG = 'cf.assert %c, "flag"'


@pytest.mark.parametrize(
    "check, said",
    [
        ("", "an assertion of cf.assert at -:5:3 is missing"),
        ('cf.assert %c, "no flag"', "an assertion of cf.assert at -:5:3 is missing"),
        (f"{FLAG}\n  {FLAG}", "2 assertions, of which the uncut program has 1, or in another order"),
    ],
)
def test_assertions_must_stay(check: str, said: str) -> None:
    uncut = asserting(FLAG)
    assert p.checked(uncut, uncut).verdict is Verdict.PROVED
    finding = p.checked(uncut, asserting(check))
    assert finding.verdict is Verdict.REFUTED and finding.detail.startswith(said)


def counted(rows: int, before: str, source: str, after: str) -> str:
    """Each element of x plus the number of its row."""
    kind = f"tensor<{rows}x3xf32>"
    return f"""
func.func @main(%x: tensor<8x3xf32> {{model.input = "x"}}) -> (tensor<8x3xf32> {{model.output = "y"}}) {{
  {before}
  %n = tensor.empty() : {kind}
  %q = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}}
      ins({source} : {kind}) outs(%n : {kind}) {{
  ^bb0(%a: f32, %o: f32):
    %i = linalg.index 0 : index
    %k = arith.index_cast %i : index to i32
    %f = arith.sitofp %k : i32 to f32
    %t = arith.addf %a, %f : f32
    linalg.yield %t : f32
  }} -> {kind}
  {after}
}}
"""


def test_a_loop_that_counts_must_not_be_cut() -> None:
    uncut = counted(8, "", "%x", "return %q : tensor<8x3xf32>")
    assert p.checked(uncut, uncut).verdict is Verdict.PROVED
    finding = p.checked(uncut, counted(4, p.OWN_ROWS, "%p", p.GATHERED))
    assert finding.verdict is Verdict.REFUTED and "computes nothing that the uncut program does" in finding.detail


def windows(rows: int, before: str, source: str, after: str) -> str:
    """Sums of two neighbouring rows of x: (8, 3) -> (7, 3), or of a part."""
    kind, made = f"tensor<{rows}x3xf32>", f"tensor<{rows - 1}x3xf32>"
    return f"""
func.func @main(%x: tensor<8x3xf32> {{model.input = "x"}}) -> (tensor<7x3xf32> {{model.output = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  {before}
  %w = tensor.empty() : tensor<2xf32>
  %n = tensor.empty() : {made}
  %f = linalg.fill ins(%zero : f32) outs(%n : {made}) -> {made}
  %q = linalg.generic {{indexing_maps = [affine_map<(i, j, k) -> (i + k, j)>, affine_map<(i, j, k) -> (k)>,
                                        affine_map<(i, j, k) -> (i, j)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}}
      ins({source}, %w : {kind}, tensor<2xf32>) outs(%f : {made}) {{
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.addf %o, %a : f32
    linalg.yield %t : f32
  }} -> {made}
  {after}
}}
"""


def test_windows_over_parts_are_refuted() -> None:
    uncut = windows(8, "", "%x", "return %q : tensor<7x3xf32>")
    assert p.checked(uncut, uncut).verdict is Verdict.PROVED
    after = """
  %o = tensor.expand_shape %q [[0, 1], [2]] output_shape [1, 3, 3] : tensor<3x3xf32> into tensor<1x3x3xf32>
  %g = "system.all_gather"(%o) {axis = "node", dim = 0 : i64} : (tensor<1x3x3xf32>) -> tensor<2x3x3xf32>
  %h = tensor.collapse_shape %g [[0, 1], [2]] : tensor<2x3x3xf32> into tensor<6x3xf32>
  %l = tensor.extract_slice %h[0, 0] [1, 3] [1, 1] : tensor<6x3xf32> to tensor<1x3xf32>
  %y = tensor.concat dim(0) %h, %l : (tensor<6x3xf32>, tensor<1x3xf32>) -> tensor<7x3xf32>
  return %y : tensor<7x3xf32>"""
    assert p.checked(uncut, windows(4, p.OWN_ROWS, "%p", after)).verdict is Verdict.REFUTED


def test_scattered_sums_are_sums() -> None:
    """A reduce_scatter leaves each rank its part of the sum; gathered, it is the whole."""
    uncut = p.column_sums(8, "", "%x", "return %q : tensor<3xf32>").replace("x3x", "x4x").replace("<3x", "<4x")
    after = """
  %i = tensor.expand_shape %q [[0, 1]] output_shape [2, 2] : tensor<4xf32> into tensor<2x2xf32>
  %j = "system.reduce_scatter"(%i) {axis = "node", dim = 0 : i64, reduction = "sum"}
      : (tensor<2x2xf32>) -> tensor<1x2xf32>
  %g = "system.all_gather"(%j) {axis = "node", dim = 0 : i64} : (tensor<1x2xf32>) -> tensor<2x2xf32>
  %y = tensor.collapse_shape %g [[0, 1]] : tensor<2x2xf32> into tensor<4xf32>
  return %y : tensor<4xf32>"""
    rows = p.OWN_ROWS.replace("x3x", "x4x").replace("4, 3]", "4, 4]")
    cut = p.column_sums(4, rows, "%p", "AFTER").replace("x3x", "x4x").replace("<3x", "<4x").replace("AFTER", after)
    assert p.checked(uncut, cut).verdict is Verdict.PROVED
    finding = p.checked(uncut, p.changed(cut, 'reduction = "sum"', 'reduction = "min"'))
    assert finding.verdict is Verdict.REFUTED and "reduce_scatter(min) of a partial sum" in finding.detail
