"""The device level means what the tensor level meant: exact comparison in a finite field, on several
devices."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stratagem.compiler.interpreter.api import equal_in_field
from stratagem.compiler.ir import parse_module
from stratagem.hwmodels import load_machine
from tests.unit.schedule.programs import PROGRAMS, softmax
from tests.unit.schedule.support import lowered

SMALL = Path(__file__).with_name("small-cache.yaml")
SHAPES = {"mlp-dynamic": [[29, 37], [37, 53], [53], [53, 11], [11]], "softmax-dynamic": [[41, 31]]}


@pytest.mark.parametrize("target", ["generic-avx512", "h100", "upmem-rank"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_lowering_keeps_the_meaning(name: str, target: str) -> None:
    before = parse_module(PROGRAMS[name])
    assert equal_in_field(before, lowered(PROGRAMS[name], target), shapes=SHAPES.get(name)) is None


@pytest.mark.parametrize("rows", [1, 3, 4, 5])
def test_a_dynamic_batch_works_at_every_size(rows: int) -> None:
    text = PROGRAMS["mlp-dynamic"]
    shapes = [[rows, 37], [37, 53], [53], [53, 11], [11]]
    assert equal_in_field(parse_module(text), lowered(text, "generic-avx512"), shapes=shapes) is None


def test_the_comparison_notices_a_wrong_tile() -> None:
    text = softmax("8", 32)
    module = lowered(text, "generic-avx512")
    broken = str(module).replace("arith.divf", "arith.mulf")
    assert broken != str(module)
    assert equal_in_field(parse_module(text), parse_module(broken)) is not None


SQUARE = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
func.func @main(%x: tensor<?x?xf32> {model.input = "x"}) -> (tensor<?x?xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %x, %c0 : tensor<?x?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %s = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x?xf32>) outs(%z : tensor<?xf32>) {
  ^bb0(%a: f32, %b: f32):
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<?xf32>
  %f = tensor.empty(%n, %n) : tensor<?x?xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<?x?xf32>, tensor<?xf32>) outs(%f : tensor<?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.mulf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}"""


@pytest.mark.parametrize("target", ["generic-avx512", "upmem-rank", "small"])
@pytest.mark.parametrize("size", [1, 4, 5, 9])
def test_a_result_sized_by_another_dimension_is_staged(target: str, size: int) -> None:
    """Columns of the result are as many as rows: the size of a staged result is read from its destination."""
    machine = load_machine(SMALL) if target == "small" else target
    module = lowered(SQUARE, machine)
    assert equal_in_field(parse_module(SQUARE), module, shapes=[(size, size)]) is None
    assert target != "small" or 'device.level = "near"' in str(module)


def test_results_that_start_from_one_tensor_have_destinations_of_their_own() -> None:
    text = """
    #ij = affine_map<(i, j) -> (i, j)>
    #ji = affine_map<(i, j) -> (j, i)>
    func.func @main(%x: tensor<9x9xf32> {model.input = "x"})
        -> (tensor<9x9xf32> {model.output = "y"}, tensor<9x9xf32> {model.output = "z"}) {
      %e = tensor.empty() : tensor<9x9xf32>
      %r:2 = linalg.generic {indexing_maps = [#ij, #ij, #ji], iterator_types = ["parallel", "parallel"]}
          ins(%x : tensor<9x9xf32>) outs(%e, %e : tensor<9x9xf32>, tensor<9x9xf32>) {
      ^bb0(%a: f32, %o: f32, %p: f32):
        %t = arith.addf %a, %a : f32
        linalg.yield %t, %a : f32, f32
      } -> (tensor<9x9xf32>, tensor<9x9xf32>)
      return %r#0, %r#1 : tensor<9x9xf32>, tensor<9x9xf32>
    }"""
    module = lowered(text, "generic-avx512")
    assert equal_in_field(parse_module(text), module) is None
    assert re.search(r"shared_outs\(%\w+ = %arg1, %\w+ = %arg2\)", str(module))
