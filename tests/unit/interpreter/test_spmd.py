"""SPMD programs: collectives, sharded arguments, and ranks that do not agree."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import RoundingBound, Violation, equal_in_field, run_spmd
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import RuntimeInputError, UnsupportedError, UsageError

WHOLE = """
func.func @main(%x: tensor<3x8xf32> {model.input = "x"}, %w: tensor<8x5xf32> {model.param = "w"})
    -> (tensor<3x5xf32> {model.output = "y"}) {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %y = linalg.matmul ins(%x, %w : tensor<3x8xf32>, tensor<8x5xf32>)
      outs(%f : tensor<3x5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}
"""

SUM_OVER_RANKS = """
func.func @main(%x: tensor<3x4xf32> {model.input = "x", system.shard = "node:1"},
                %w: tensor<4x5xf32> {model.param = "w", system.shard = "node:0"})
    -> (tensor<3x5xf32> {model.output = "y"}) {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x5xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>
  %p = linalg.matmul ins(%x, %w : tensor<3x4xf32>, tensor<4x5xf32>)
      outs(%f : tensor<3x5xf32>) -> tensor<3x5xf32>
  %y = "system.all_reduce"(%p) {axis = "node", reduction = "sum"} : (tensor<3x5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}
"""

ONES = """
  %one = arith.constant 1.0 : f32
  %o = linalg.fill ins(%one : f32) outs(%e : tensor<3x5xf32>) -> tensor<3x5xf32>"""

MESH = (("node", 2),)


def test_split_sum_equals_the_whole() -> None:
    assert equal_in_field(parse_module(WHOLE), parse_module(SUM_OVER_RANKS), mesh=MESH) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            '"system.all_reduce"(%p) {axis = "node", reduction = "sum"}',
            '"system.all_reduce"(%p) {axis = "node", reduction = "max"}',
        ),
        ("return %y", "return %p"),
        ("outs(%f :", "outs(%o :"),
    ],
    ids=["wrong reduction", "all_reduce forgotten", "bias added by every rank"],
)
def test_planted_bugs(old: str, new: str) -> None:
    broken = SUM_OVER_RANKS.replace(old, new, 1).replace("%p = linalg", f"{ONES}\n%p = linalg")
    assert equal_in_field(parse_module(WHOLE), parse_module(broken), mesh=MESH) is not None


def test_gather_scatter_and_places_on_a_two_dimensional_mesh() -> None:
    text = """
    func.func @main(%x: tensor<2x3xf32>) -> (tensor<2x9xf32>, tensor<1x3xf32>, tensor<2xindex>) {
      %g = "system.all_gather"(%x) {axis = "b", dim = 1 : i64} : (tensor<2x3xf32>) -> tensor<2x9xf32>
      %s = "system.reduce_scatter"(%x) {axis = "a", dim = 0 : i64, reduction = "sum"}
          : (tensor<2x3xf32>) -> tensor<1x3xf32>
      %a = "system.rank"() {axis = "a"} : () -> index
      %b = "system.rank"() {axis = "b"} : () -> index
      %t = tensor.from_elements %a, %b : tensor<2xindex>
      return %g, %s, %t : tensor<2x9xf32>, tensor<1x3xf32>, tensor<2xindex>
    }"""
    x = [np.full((2, 3), rank, np.float32) + np.array([[0], [100]], np.float32) for rank in range(6)]
    results = run_spmd(parse_module(text), [[part] for part in x], (("a", 2), ("b", 3)))
    for rank, (gathered, scattered, places) in enumerate(results):
        a, b = divmod(rank, 3)
        np.testing.assert_array_equal(places[0], [a, b])
        np.testing.assert_array_equal(gathered[0], np.concatenate(x[3 * a : 3 * a + 3], axis=1))
        np.testing.assert_array_equal(scattered[0], (x[b] + x[b + 3])[a : a + 1])


def test_bound_of_an_all_reduce_holds_in_any_order() -> None:
    text = """
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %y = "system.all_reduce"(%x) {axis = "node", reduction = "sum"} : (tensor<4xf32>) -> tensor<4xf32>
      return %y : tensor<4xf32>
    }"""
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(4).astype(np.float32) for _ in range(5)]
    (value, bound), *_ = (
        r[0] for r in run_spmd(parse_module(text), [[p] for p in parts], (("node", 5),), domain=RoundingBound)
    )
    for _ in range(20):
        total = np.zeros(4, np.float32)
        for index in rng.permutation(5):
            total = total + parts[index]
        assert (np.abs(total - value) <= bound).all()


UNEVEN = """
func.func @main(%x: tensor<2xf32>, %c: i1) -> tensor<2xf32> {
  %r = scf.if %c -> (tensor<2xf32>) {
    %a = "system.all_reduce"(%x) {axis = "node", reduction = "sum"} : (tensor<2xf32>) -> tensor<2xf32>
    scf.yield %a : tensor<2xf32>
  } else {
    OTHER
    scf.yield %b : tensor<2xf32>
  }
  return %r : tensor<2xf32>
}
"""


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            """%b = "system.all_reduce"(%x) {axis = "node", reduction = "max"}
                : (tensor<2xf32>) -> tensor<2xf32>""",
            r"rank \d calls all_reduce\(axis 'node', (sum|max), dim 0, 2xf32\) while rank \d calls all_",
        ),
        (
            "%b = arith.addf %x, %x : tensor<2xf32>",
            r"no rank can go on: rank 0 in all_reduce.*; ranks \[1\] have ended",
        ),
    ],
    ids=["different collectives", "rank that never comes"],
)
def test_disagreement_is_found(other: str, message: str) -> None:
    module = parse_module(UNEVEN.replace("OTHER", other))
    x = np.zeros(2, np.float32)
    with pytest.raises(Violation, match=message):
        run_spmd(module, [[x, np.array(True)], [x, np.array(False)]], MESH)


def test_failure_of_one_rank_is_the_failure_of_all() -> None:
    module = parse_module(UNEVEN.replace("OTHER", 'cf.assert %c, "odd rank"\n%b = arith.addf %x, %x : tensor<2xf32>'))
    x = np.zeros(2, np.float32)
    with pytest.raises(Violation, match="odd rank"):
        run_spmd(module, [[x, np.array(True)], [x, np.array(False)]], MESH)


def test_number_of_inputs_must_fit_the_mesh() -> None:
    with pytest.raises(UsageError, match="a mesh of 2 ranks needs as many sets of inputs, got 1"):
        run_spmd(parse_module(SUM_OVER_RANKS), [[]], MESH)


def test_a_shard_along_a_dimension_that_is_not_there_is_said() -> None:
    text = SUM_OVER_RANKS.replace(
        'model.input = "x", system.shard = "node:1"', 'model.input = "x", system.shard = "node:2"'
    )
    with pytest.raises(RuntimeInputError, match="'x' is cut along dimension 2, it has 2"):
        equal_in_field(parse_module(WHOLE), parse_module(text), mesh=MESH)


def test_a_runtime_collective_without_its_reduction_is_said() -> None:
    text = """
    func.func @main(%x: memref<4xf32> {model.input = "x"}) -> (memref<4xf32> {model.output = "y"}) {
      %y = memref.alloc() : memref<4xf32>
      call @meet(%x, %y) : (memref<4xf32>, memref<4xf32>) -> ()
      return %y : memref<4xf32>
    }
    func.func private @meet(memref<4xf32>, memref<4xf32>)
        attributes {physical.collective = {dtype = f32, kind = "all_reduce"}}"""
    with pytest.raises(Violation, match="all_reduce with reduction '', known are sum, max, min, prod"):
        run_spmd(parse_module(text), [{"x": np.ones(4, np.float32)}] * 2, MESH)


def test_a_declared_function_that_the_runtime_has_not_is_said() -> None:
    text = """
    func.func @main(%x: memref<4xf32> {model.input = "x"}) -> (memref<4xf32> {model.output = "y"}) {
      %y = memref.alloc() : memref<4xf32>
      call @kernel(%x, %y) : (memref<4xf32>, memref<4xf32>) -> ()
      return %y : memref<4xf32>
    }
    func.func private @kernel(memref<4xf32>, memref<4xf32>)"""
    with pytest.raises(UnsupportedError, match="call of 'kernel', which has no body in this module"):
        run_spmd(parse_module(text), [{"x": np.ones(4, np.float32)}] * 2, MESH)
