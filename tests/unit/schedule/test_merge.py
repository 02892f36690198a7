"""Merging elementwise ops keeps the meaning and every loop sized."""

from __future__ import annotations

import pytest

from stratagem.compiler.interpreter.api import equal_in_field
from stratagem.compiler.ir import find_function, parse_module, walk
from stratagem.compiler.schedule.merge import merge_elementwise
from stratagem.compiler.schedule.structured import is_generic, iterators
from tests.unit.schedule.support import lowered

UNIT_REDUCTION = """
#narrow = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#kept = affine_map<(d0, d1, d2) -> (0, d1, 0)>
func.func @main(%x: tensor<5x7xf32>) -> tensor<1x5x1xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x5x7xf32>
  %a = linalg.generic {indexing_maps = [#narrow, #id], iterator_types = ["parallel", "parallel", "parallel"]}
    ins(%x : tensor<5x7xf32>) outs(%e : tensor<1x5x7xf32>) {
  ^bb0(%u: f32, %o: f32):
    %n = linalg.index 0 : index
    %m = linalg.index 2 : index
    %s = arith.addi %n, %m : index
    %i = arith.index_cast %s : index to i64
    %f = arith.sitofp %i : i64 to f32
    %p = arith.mulf %u, %f : f32
    linalg.yield %p : f32
  } -> tensor<1x5x7xf32>
  %r = tensor.empty() : tensor<1x5x1xf32>
  %f = linalg.fill ins(%zero : f32) outs(%r : tensor<1x5x1xf32>) -> tensor<1x5x1xf32>
  %y = linalg.generic {indexing_maps = [#id, #kept], iterator_types = ["reduction", "parallel", "reduction"]}
    ins(%a : tensor<1x5x7xf32>) outs(%f : tensor<1x5x1xf32>) {
  ^bb0(%u: f32, %o: f32):
    %s = arith.addf %u, %o : f32
    linalg.yield %s : f32
  } -> tensor<1x5x1xf32>
  return %y : tensor<1x5x1xf32>
}"""

ONLY_UNITS = """
#none = affine_map<(d0) -> ()>
#id = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<f32>) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1xf32>
  %a = linalg.generic {indexing_maps = [#none, #id], iterator_types = ["parallel"]}
    ins(%x : tensor<f32>) outs(%e : tensor<1xf32>) {
  ^bb0(%u: f32, %o: f32):
    %p = arith.mulf %u, %u : f32
    linalg.yield %p : f32
  } -> tensor<1xf32>
  %r = tensor.empty() : tensor<f32>
  %f = linalg.fill ins(%zero : f32) outs(%r : tensor<f32>) -> tensor<f32>
  %y = linalg.generic {indexing_maps = [#id, #none], iterator_types = ["reduction"]}
    ins(%a : tensor<1xf32>) outs(%f : tensor<f32>) {
  ^bb0(%u: f32, %o: f32):
    %s = arith.addf %u, %o : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  return %y : tensor<f32>
}"""


def repeated_sum(rows: str) -> str:
    """Sums `rows` equal rows: no operand but the repeated one says how many there are."""
    wide, size = f"tensor<{rows}x5xf32>", "%m" if rows == "?" else ""
    return f"""
#row = affine_map<(d0, d1) -> (d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: tensor<5xf32>, %like: tensor<{rows}xf32>) -> tensor<5xf32> {{
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %m = tensor.dim %like, %c0 : tensor<{rows}xf32>
  %e = tensor.empty({size}) : {wide}
  %a = linalg.generic {{indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel"]}}
    ins(%x : tensor<5xf32>) outs(%e : {wide}) {{
  ^bb0(%u: f32, %o: f32):
    %p = arith.mulf %u, %u : f32
    linalg.yield %p : f32
  }} -> {wide}
  %r = tensor.empty() : tensor<5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%r : tensor<5xf32>) -> tensor<5xf32>
  %y = linalg.generic {{indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]}}
    ins(%a : {wide}) outs(%f : tensor<5xf32>) {{
  ^bb0(%u: f32, %o: f32):
    %s = arith.addf %u, %o : f32
    linalg.yield %s : f32
  }} -> tensor<5xf32>
  return %y : tensor<5xf32>
}}"""


BOTH_WAYS = """
#id = affine_map<(d0, d1) -> (d0, d1)>
#turned = affine_map<(d0, d1) -> (d1, d0)>
func.func @main(%x: tensor<5x5xf32>) -> tensor<5x5xf32> {
  %e = tensor.empty() : tensor<5x5xf32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%x : tensor<5x5xf32>) outs(%e : tensor<5x5xf32>) {
  ^bb0(%u: f32, %o: f32):
    %p = arith.mulf %u, %u : f32
    linalg.yield %p : f32
  } -> tensor<5x5xf32>
  %y = linalg.generic {indexing_maps = [#id, #turned, #id], iterator_types = ["parallel", "parallel"]}
    ins(%a, %a : tensor<5x5xf32>, tensor<5x5xf32>) outs(%e : tensor<5x5xf32>) {
  ^bb0(%u: f32, %v: f32, %o: f32):
    %s = arith.subf %u, %v : f32
    linalg.yield %s : f32
  } -> tensor<5x5xf32>
  return %y : tensor<5x5xf32>
}"""

PROGRAMS: dict[str, tuple[str, int, list[list[int]]]] = {
    "unit-reduction": (UNIT_REDUCTION, 1, [[5, 7]]),
    "only-units": (ONLY_UNITS, 1, [[]]),
    "one-repeated-row": (repeated_sum("1"), 1, [[5], [1]]),
    "repeated-rows": (repeated_sum("7"), 2, [[5], [7]]),
    "repeated-rows-dynamic": (repeated_sum("?"), 2, [[5], [7]]),
    "read-both-ways": (BOTH_WAYS, 2, [[5, 5]]),
}
"""Program, how many generics it is after merging, and sizes of its arguments."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_merging_keeps_the_meaning_and_loops_sized(name: str) -> None:
    text, generics, shapes = PROGRAMS[name]
    module = parse_module(text)
    with module.context:
        merge_elementwise(find_function(module, "main").regions[0].blocks[0])
    assert module.operation.verify()
    assert len([op for op in walk(module.operation) if is_generic(op)]) == generics
    assert equal_in_field(parse_module(text), module, shapes=shapes) is None


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("name", PROGRAMS)
def test_lowering_keeps_the_meaning(name: str, rows: int) -> None:
    text, _, shapes = PROGRAMS[name]
    sizes = [[5], [rows]] if name == "repeated-rows-dynamic" else shapes
    assert equal_in_field(parse_module(text), lowered(text, "generic-avx512"), shapes=sizes) is None


def test_a_loop_that_runs_once_goes_with_the_value_that_sized_it() -> None:
    module = parse_module(UNIT_REDUCTION)
    with module.context:
        merge_elementwise(find_function(module, "main").regions[0].blocks[0])
    (merged,) = [op for op in walk(module.operation) if is_generic(op)]
    assert iterators(merged) == ["parallel", "reduction"]
