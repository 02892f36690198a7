"""Elements of shape tensors are read through slices, concatenations and constants."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.frontends.elements import forward_elements, insert_slices
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import find_function, parse_module, run_pipeline, walk

HEAD = """
func.func @main(%x: tensor<?x?x8xf32>, %t: tensor<2xi64>, %n: index) -> i64 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %d0 = tensor.dim %x, %c0 : tensor<?x?x8xf32>
  %d1 = tensor.dim %x, %c1 : tensor<?x?x8xf32>
  %i0 = arith.index_cast %d0 : index to i64
  %i1 = arith.index_cast %d1 : index to i64
  %k = arith.constant 8 : i64
  %s = tensor.from_elements %i0, %i1, %k : tensor<3xi64>
  %c = arith.constant dense<[5, 6]> : tensor<2xi64>
"""

TRACED = {
    "slice of the shape, joined with a constant": (
        "%a = tensor.extract_slice %s[1] [2] [1] : tensor<3xi64> to tensor<2xi64> "
        "%b = tensor.concat dim(0) %c, %a : (tensor<2xi64>, tensor<2xi64>) -> tensor<4xi64> "
        "%r = tensor.extract %b[%c2] : tensor<4xi64> return %r : i64 }",
        "arith.index_cast",
    ),
    "constant": ("%r = tensor.extract %c[%c1] : tensor<2xi64> return %r : i64 }", "arith.constant"),
    "one element of another rank": (
        "%a = tensor.extract_slice %s[1] [1] [1] : tensor<3xi64> to tensor<1xi64> "
        "%b = tensor.collapse_shape %a [] : tensor<1xi64> into tensor<i64> "
        "%r = tensor.extract %b[] : tensor<i64> return %r : i64 }",
        "arith.index_cast",
    ),
}


@pytest.mark.parametrize("case", TRACED)
def test_traced(case: str) -> None:
    body, source = TRACED[case]
    module = parse_module(HEAD + body)
    forward_elements(find_function(module, "main"))
    run_pipeline(module, "builtin.module(canonicalize)")
    names = [op.name for op in walk(module.operation)]
    assert "tensor.extract" not in names and "tensor.from_elements" not in names
    assert source in names


KEPT = {
    "argument": "%r = tensor.extract %t[%c1] : tensor<2xi64> return %r : i64 }",
    "index that is not constant": "%r = tensor.extract %s[%n] : tensor<3xi64> return %r : i64 }",
    "slice at a computed place": (
        "%a = tensor.extract_slice %s[%n] [2] [1] : tensor<3xi64> to tensor<2xi64> "
        "%r = tensor.extract %a[%c1] : tensor<2xi64> return %r : i64 }"
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_kept(case: str) -> None:
    module = parse_module(HEAD + KEPT[case])
    forward_elements(find_function(module, "main"))
    assert [op.name for op in walk(module.operation)].count("tensor.extract") == 1


@pytest.mark.parametrize("rank", [0, 2])
def test_an_element_is_put_in_as_a_slice(rank: int) -> None:
    kind, place = ("tensor<f32>", "") if rank == 0 else ("tensor<?x3xf32>", "%i, %j")
    module = parse_module(f"""func.func @main(%x: {kind}, %i: index, %j: index, %v: f32) -> {kind} {{
      %r = tensor.insert %v into %x[{place}] : {kind}
      return %r : {kind}
    }}""")
    with module.context:
        insert_slices(find_function(module, "main"))
    module.operation.verify()
    assert "tensor.insert" not in [op.name for op in walk(module.operation)]
    x = np.zeros((2, 3) if rank else (), np.float32)
    wanted = x.copy()
    wanted[(1, 2) if rank else ()] = 7
    got = emulate(module, [x, np.array(1), np.array(2), np.array(7, np.float32)])[0]
    np.testing.assert_array_equal(got, wanted)
