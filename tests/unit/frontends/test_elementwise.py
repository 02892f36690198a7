"""Elementwise operations of our own: broadcasting, sizes that have to agree, choices between whole tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.frontends.choices import lower_choices
from stratagem.compiler.frontends.elementwise import elementwise
from stratagem.compiler.interpreter.api import Violation, emulate
from stratagem.compiler.ir import find_function, parse_module, walk
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore


def sum_of(left: str, right: str, result: str) -> Program:
    """A program whose result is `elementwise` addition of its two inputs."""
    text = f"""
      func.func @main(%x: {left} {{model.input = "x"}}, %y: {right} {{model.input = "y"}})
          -> ({result} {{model.output = "z"}}) {{
        %u = "tensor.empty"() : () -> tensor<1xf32>
        %r = builtin.unrealized_conversion_cast %u : tensor<1xf32> to {result}
        return %r : {result}
      }}"""
    module = parse_module(f'module attributes {{stratagem.level = "tensor"}} {{ {text} }}')
    function = find_function(module, "main")
    block = function.regions[0].blocks[0]
    last = list(block.operations)[-1].operation
    with module.context, ir.InsertionPoint(last), ir.Location.unknown():
        kind = last.operands[0].type
        last.operands[0] = elementwise(list(block.arguments), kind, lambda a, b: arith.addf(a, b))
    for op in list(block.operations)[1::-1]:
        op.operation.erase()
    return Program(module, ParameterStore())


SHAPES = [
    ("tensor<3x1xf32>", "tensor<5xf32>", "tensor<3x5xf32>", (3, 1), (5,)),
    ("tensor<?x?xf32>", "tensor<?xf32>", "tensor<?x?xf32>", (3, 5), (5,)),
    ("tensor<f32>", "tensor<?xf32>", "tensor<?xf32>", (), (7,)),
    ("tensor<1x1xf32>", "tensor<1xf32>", "tensor<1x1xf32>", (1, 1), (1,)),
]


@pytest.mark.parametrize("case", SHAPES)
def test_broadcasting(case: Any) -> None:
    *types, left, right = case
    x, y = (np.arange(np.prod(s), dtype=np.float32).reshape(s) for s in (left, right))
    (got,) = emulate(sum_of(*types), {"x": x, "y": y})
    np.testing.assert_array_equal(got, x + y)


def test_free_sizes_that_differ_end_the_run() -> None:
    program = sum_of("tensor<?xf32>", "tensor<?xf32>", "tensor<?xf32>")
    with pytest.raises(Violation, match="differ in dimension 0"):
        emulate(program, {"x": np.zeros(3, np.float32), "y": np.zeros(5, np.float32)})


def test_choices_between_tensors_are_by_element_where_sizes_are_known() -> None:
    module = parse_module(
        """func.func @main(%c: i1, %a: tensor<2xf32>, %b: tensor<2xf32>, %d: tensor<?xf32>, %e: tensor<?xf32>)
          -> (tensor<2xf32>, tensor<?xf32>) {
        %x = arith.select %c, %a, %b : tensor<2xf32>
        %y = arith.select %c, %d, %e : tensor<?xf32>
        return %x, %y : tensor<2xf32>, tensor<?xf32>
      }"""
    )
    function = find_function(module, "main")
    with module.context, ir.Location.unknown():
        lower_choices(function)
    kinds = [str(op.results[0].type) for op in walk(function) if op.name == "arith.select"]
    branches = [str(op.results[0].type) for op in walk(function) if op.name == "scf.if"]
    assert kinds == ["f32"] and branches == ["tensor<?xf32>"]
