"""Choices between tensors: by one condition, by element, and of tensors that differ in size."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.frontends.landing import land
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import parse_module, walk
from stratagem.compiler.program import Program


def landed(condition: str, kind: str) -> Program:
    selected = kind if condition == "i1" else f"{condition}, {kind}"
    text = f"""func.func @f(%c: {condition}, %x: {kind}, %y: {kind}) -> {kind} {{
      %t = arith.select %c, %x, %y : {selected}
      return %t : {kind}
    }}"""
    if condition == "i1":
        text = text.replace("%c: i1", "%b: tensor<i1>").replace("{\n", "{\n%c = tensor.extract %b[] : tensor<i1>\n", 1)
    return land(parse_module(text), "f", input_names=["c", "x", "y"], output_names=["t"])


X, Y = np.arange(6, dtype=np.float32).reshape(2, 3), np.full((2, 3), -1, np.float32)


@pytest.mark.parametrize("kind", ["tensor<2x3xf32>", "tensor<?x3xf32>"])
def test_one_condition(kind: str) -> None:
    program = landed("i1", kind)
    for condition, wanted in ((True, X), (False, Y)):
        np.testing.assert_array_equal(emulate(program, [np.array(condition), X, Y])[0], wanted)


def test_tensors_that_differ_in_size() -> None:
    program = landed("i1", "tensor<?x3xf32>")
    assert emulate(program, [np.array(False), X, Y[:1]])[0].shape == (1, 3)
    assert emulate(program, [np.array(True), X, Y[:1]])[0].shape == (2, 3)


@pytest.mark.parametrize("rows", ["2", "?"])
def test_by_element(rows: str) -> None:
    program = landed(f"tensor<{rows}x3xi1>", f"tensor<{rows}x3xf32>")
    np.testing.assert_array_equal(emulate(program, [X > 2, X, Y])[0], np.where(X > 2, X, Y))
    assert not any(op.name == "scf.if" for op in walk(program.module.operation))
