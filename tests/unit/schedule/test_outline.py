"""A kernel reads what the program reads: a tensor that a result starts from is copied for that result alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from stratagem.compiler.interpreter.api import equal_in_field
from stratagem.compiler.ir import functions, parse_module, symbol_name, walk
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.form_kernels import FormKernels
from stratagem.compiler.program import Program
from stratagem.hwmodels import load_machine
from tests.unit.schedule.support import lowered

SMALL = Path(__file__).with_name("small-cache.yaml")

SIGNATURE = """
#ijk = affine_map<(i, j, k) -> (i, j, k)>
#ikj = affine_map<(i, j, k) -> (i, k, j)>
func.func @main(%x: tensor<?x?x?xf32> {model.input = "x"}) -> (tensor<?x?x?xf32> {model.output = "y"}) {
"""
READ_AND_STARTED_FROM = {
    "product": """
  %y = linalg.batch_matmul ins(%x, %x : tensor<?x?x?xf32>, tensor<?x?x?xf32>) outs(%x : tensor<?x?x?xf32>)
      -> tensor<?x?x?xf32>""",
    "turned": """
  %y = linalg.generic {indexing_maps = [#ikj, #ijk], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : tensor<?x?x?xf32>) outs(%x : tensor<?x?x?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %d = arith.subf %a, %o : f32
    linalg.yield %d : f32
  } -> tensor<?x?x?xf32>""",
    "picked": """
  %y = linalg.generic {indexing_maps = [#ijk], iterator_types = ["parallel", "parallel", "parallel"]}
      outs(%x : tensor<?x?x?xf32>) {
  ^bb0(%o: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %k = linalg.index 2 : index
    %a = tensor.extract %x[%i, %k, %j] : tensor<?x?x?xf32>
    %d = arith.subf %a, %o : f32
    linalg.yield %d : f32
  } -> tensor<?x?x?xf32>""",
}


def program(name: str) -> str:
    return f"{SIGNATURE}{READ_AND_STARTED_FROM[name]}\n  return %y : tensor<?x?x?xf32>\n}}"


@pytest.mark.parametrize("name", READ_AND_STARTED_FROM)
def test_only_the_start_is_read_from_the_copy(name: str) -> None:
    subject = Program(parse_module(program(name)))
    FormKernels().apply(subject, PassContext())
    (kernel,) = (f for f in functions(subject.module) if symbol_name(f) != "main")
    given, _ = kernel.regions[0].blocks[0].arguments
    copy, work = (op for op in walk(kernel) if op.name == "linalg.generic")
    assert [value for value in work.operands if value == copy.results[0]] == [list(work.operands)[-1]]
    assert given in [*list(work.operands)[:-1], *(v for op in walk(work) for v in op.operands)]


@pytest.mark.parametrize("target", ["generic-avx512", "h100", "upmem-rank", "small"])
@pytest.mark.parametrize("name", READ_AND_STARTED_FROM)
@pytest.mark.parametrize("size", [1, 5, 9])
def test_a_tensor_that_is_read_and_started_from_keeps_its_values(name: str, target: str, size: int) -> None:
    module = lowered(program(name), load_machine(SMALL) if target == "small" else target)
    assert equal_in_field(parse_module(program(name)), module, shapes=[(2, size, size)]) is None
