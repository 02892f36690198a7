"""Iterators of generics agree with where results go, on every level."""

from __future__ import annotations

import pytest

from stratagem.compiler.ir import parse_module, walk
from stratagem.compiler.levels.structured import check_iterators
from stratagem.compiler.levels.tensor import check_tensor_level
from stratagem.runtime.errors import PassError

SUMS = """
func.func @main(%x: tensor<5x7xf32> {model.input = "x"}, %s: tensor<5xf32> {model.input = "s"})
    -> (tensor<5xf32> {model.output = "y"}) {
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]} ins(%x : tensor<5x7xf32>) outs(%s : tensor<5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.addf %a, %o : f32
    linalg.yield %t : f32
  } -> tensor<5xf32>
  return %y : tensor<5xf32>
}
"""


def test_a_sum_along_rows_is_right() -> None:
    check_tensor_level(parse_module(SUMS))


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ('["parallel", "parallel"]', "loop 1 is parallel, but all its iterations write to one element of result 0"),
        ('["reduction", "reduction"]', "loop 0 is summed over, but writes to many elements of result 0"),
    ],
)
def test_iterators_that_contradict_the_maps_are_refused(kinds: str, said: str) -> None:
    module = parse_module(SUMS.replace('["parallel", "reduction"]', kinds))
    with pytest.raises(PassError, match=said):
        check_tensor_level(module)
    (generic,) = [op for op in walk(module.operation) if op.name == "linalg.generic"]
    with pytest.raises(PassError, match=said):
        check_iterators(generic)


COUNTS = """
func.func @main(%x: tensor<5x7xf32> {{model.input = "x"}}, %s: tensor<7xf32> {{model.input = "s"}})
    -> (tensor<7xf32> {{model.output = "y"}}) {{
  %y = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>],
      iterator_types = ["parallel", "parallel"]}} ins(%x : tensor<5x7xf32>) outs(%s : tensor<7xf32>) {{
  ^bb0(%a: f32, %o: f32):
    %k = linalg.index {dim} : index
    %i = arith.index_cast %k : index to i64
    %c = arith.sitofp %i : i64 to f32
    linalg.yield {value} : f32
  }} -> tensor<7xf32>
  return %y : tensor<7xf32>
}}
"""


@pytest.mark.parametrize(
    ("dim", "value", "is_right"), [(1, "%c", True), (0, "%c", False), (1, "%a", False), (1, "%o", False)]
)
def test_iterations_may_all_write_one_value(dim: int, value: str, is_right: bool) -> None:
    """As pooling by averages does: how large each window is does not depend on the channel."""
    module = parse_module(COUNTS.format(dim=dim, value=value))
    if is_right:
        check_tensor_level(module)
        return
    with pytest.raises(PassError, match="loop 0 is parallel"):
        check_tensor_level(module)
