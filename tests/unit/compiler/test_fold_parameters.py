"""Values that parameters alone decide become parameters: which, under what name, with what data."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from stratagem.compiler.arguments import parameter_arguments
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import find_function, parse_module
from stratagem.compiler.levels.tensor import check_tensor_level
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.fold_parameters import FoldParameters
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore

Array = np.ndarray[Any, Any]
MATMUL = """
  %zero = arith.constant 0.0 : f32
  %te = tensor.empty() : tensor<{k}x{n}xf32>
  %t = linalg.transpose ins(%w : tensor<{n}x{k}xf32>) outs(%te : tensor<{k}x{n}xf32>) permutation = [1, 0]
  %e = tensor.empty() : tensor<1x{n}xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<1x{n}xf32>) -> tensor<1x{n}xf32>
  %p = linalg.matmul ins(%x, %t : tensor<1x{k}xf32>, tensor<{k}x{n}xf32>) outs(%i : tensor<1x{n}xf32>)
    -> tensor<1x{n}xf32>
"""


def main(arguments: str, body: str, result: str, kind: str) -> str:
    return f'func.func @main({arguments}) -> ({kind} {{model.output = "y"}}) {{\n{body}\n  return {result} : {kind}\n}}'


def elementwise(kind: str, inputs: dict[str, str], body: str) -> str:
    """A `linalg.generic` over one dimension of size 5 whose results have element type `kind`."""
    names = ", ".join(f"%{n}" for n in inputs)
    types = ", ".join(f"tensor<5x{t}>" for t in inputs.values())
    maps = ", ".join(["affine_map<(i) -> (i)>"] * (len(inputs) + 1))
    given = "".join(f"%{n}_: {t}, " for n, t in inputs.items())
    return f"""linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}}
      ins({names} : {types}) outs(%e_{kind} : tensor<5x{kind}>) {{
    ^bb0({given}%out: {kind}):
      {body}
    }} -> tensor<5x{kind}>"""


def folded(text: str, **parameters: Array) -> Program:
    program = Program(parse_module(text), ParameterStore(parameters))
    FoldParameters().apply(program, PassContext())
    program.module.operation.verify()
    check_tensor_level(program.module)
    return program


def names(program: Program) -> list[str]:
    return list(parameter_arguments(find_function(program.module, "main")))


def numbers(*shape: int) -> Array:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("k", "n"), [(1, 1), (7, 5), (17, 1)])
def test_a_transposed_weight_is_stored_transposed(k: int, n: int) -> None:
    w = numbers(n, k)
    arguments = f'%x: tensor<1x{k}xf32> {{model.input = "x"}}, %w: tensor<{n}x{k}xf32> {{model.param = "fc.weight"}}'
    text = main(arguments, MATMUL.format(k=k, n=n), "%p", f"tensor<1x{n}xf32>")
    program, x = folded(text, **{"fc.weight": w}), numbers(1, k)
    assert names(program) == ["fc.weight.folded"]
    stored = program.parameters["fc.weight.folded"]
    np.testing.assert_array_equal(stored, w.T)
    assert stored.flags.c_contiguous and "linalg.transpose" not in str(program.module)
    before = emulate(parse_module(text), {"x": x}, {"fc.weight": w})
    np.testing.assert_allclose(emulate(program, {"x": x})[0], before[0], rtol=1e-5, atol=1e-5)


def test_a_tied_weight_is_not_stored_twice() -> None:
    """Something else reads the large weight as it is; a small one may be stored twice."""
    for n, expected in ((263, ["w"]), (5, ["w", "w.folded"])):
        row = f"""
  %e1 = tensor.empty() : tensor<1x257xf32>
  %s = tensor.extract_slice %w[2, 0] [1, 257] [1, 1] : tensor<{n}x257xf32> to tensor<1x257xf32>
  %x = linalg.add ins(%g, %s : tensor<1x257xf32>, tensor<1x257xf32>) outs(%e1 : tensor<1x257xf32>)
    -> tensor<1x257xf32>"""
        arguments = f'%g: tensor<1x257xf32> {{model.input = "x"}}, %w: tensor<{n}x257xf32> {{model.param = "w"}}'
        text = main(arguments, row + MATMUL.format(k=257, n=n), "%p", f"tensor<1x{n}xf32>")
        assert names(folded(text, w=numbers(n, 257))) == expected


def test_steps_round_in_their_own_type() -> None:
    """gamma / sqrt(variance + eps) in bfloat16: four roundings, not one."""
    steps = f"""
  %e_bf16 = tensor.empty() : tensor<5xbf16>
  %eps = arith.constant 1.0e-3 : bf16
  %s = {elementwise("bf16", {"v": "bf16"}, "%a = arith.addf %v_, %eps : bf16 linalg.yield %a : bf16")}
  %r = {elementwise("bf16", {"s": "bf16"}, "%a = math.sqrt %s_ : bf16 linalg.yield %a : bf16")}
  %d = {elementwise("bf16", {"g": "bf16", "r": "bf16"}, "%a = arith.divf %g_, %r_ : bf16 linalg.yield %a : bf16")}
  %y = {elementwise("bf16", {"x": "bf16", "d": "bf16"}, "%a = arith.mulf %x_, %d_ : bf16 linalg.yield %a : bf16")}"""
    arguments = ", ".join(
        f'%{n}: tensor<5xbf16> {{model.{kind} = "{n}"}}' for n, kind in (("x", "input"), ("v", "param"), ("g", "param"))
    )
    v, g = np.abs(numbers(5)).astype(ml_dtypes.bfloat16), numbers(5).astype(ml_dtypes.bfloat16)
    program = folded(main(arguments, steps, "%y", "tensor<5xbf16>"), v=v, g=g)
    assert names(program) == ["v.folded"]
    root = np.sqrt((v + ml_dtypes.bfloat16(1e-3)).astype(np.float32)).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(program.parameters["v.folded"], g / root)


def test_results_of_one_parameter_get_names_of_their_own() -> None:
    """An 8-bit weight becomes f32 once in place of its own bytes; a second time on top of them."""
    body = f"""
  %e_f32 = tensor.empty() : tensor<5xf32>
  %a = {elementwise("f32", {"w": "i8"}, "%c = arith.sitofp %w_ : i8 to f32 linalg.yield %c : f32")}
  %b = {elementwise("f32", {"a": "f32"}, "%c = math.absf %a_ : f32 linalg.yield %c : f32")}
  %z = {elementwise("f32", {"x": "f32", "a": "f32"}, "%c = arith.mulf %x_, %a_ : f32 linalg.yield %c : f32")}
  %y = {elementwise("f32", {"z": "f32", "b": "f32"}, "%c = arith.addf %z_, %b_ : f32 linalg.yield %c : f32")}"""
    arguments = '%x: tensor<5xf32> {model.input = "x"}, %w: tensor<5xi8> {model.param = "w"}'
    w = np.array([-128, 127, 0, -1, 3], np.int8)
    program = folded(main(arguments, body, "%y", "tensor<5xf32>"), w=w)
    assert names(program) == ["w.folded", "w.folded.1"]
    np.testing.assert_array_equal(program.parameters["w.folded"], w.astype(np.float32))
    np.testing.assert_array_equal(program.parameters["w.folded.1"], np.abs(w.astype(np.float32)))


def test_values_may_share_what_they_are_computed_from() -> None:
    body = f"""
  %e_f32 = tensor.empty() : tensor<5xf32>
  %a = {elementwise("f32", {"w": "f32"}, "%c = math.absf %w_ : f32 linalg.yield %c : f32")}
  %b = {elementwise("f32", {"a": "f32"}, "%c = math.sqrt %a_ : f32 linalg.yield %c : f32")}
  %d = {elementwise("f32", {"a": "f32"}, "%c = arith.negf %a_ : f32 linalg.yield %c : f32")}
  %z = {elementwise("f32", {"x": "f32", "b": "f32"}, "%c = arith.mulf %x_, %b_ : f32 linalg.yield %c : f32")}
  %y = {elementwise("f32", {"z": "f32", "d": "f32"}, "%c = arith.addf %z_, %d_ : f32 linalg.yield %c : f32")}"""
    arguments = '%x: tensor<5xf32> {model.input = "x"}, %w: tensor<5xf32> {model.param = "w"}'
    w = numbers(5)
    program = folded(main(arguments, body, "%y", "tensor<5xf32>"), w=w)
    assert names(program) == ["w.folded", "w.folded.1"]
    np.testing.assert_array_equal(program.parameters["w.folded"], np.sqrt(np.abs(w)))
    np.testing.assert_array_equal(program.parameters["w.folded.1"], -np.abs(w))


RECIPROCAL = """%c0 = arith.constant 0.0 : f32
      %ok = arith.cmpf one, %w_, %c0 : f32
      cf.assert %ok, "zero"
      %one = arith.constant 1.0 : f32
      %c = arith.divf %one, %w_ : f32
      linalg.yield %c : f32"""


@pytest.mark.parametrize(("value", "expected"), [(2.0, ["w.folded"]), (0.0, ["w"])])
def test_a_condition_that_fails_is_left_for_the_run(value: float, expected: list[str]) -> None:
    body = f"""
  %e_f32 = tensor.empty() : tensor<5xf32>
  %r = {elementwise("f32", {"w": "f32"}, RECIPROCAL)}
  %y = {elementwise("f32", {"x": "f32", "r": "f32"}, "%c = arith.mulf %x_, %r_ : f32 linalg.yield %c : f32")}"""
    arguments = '%x: tensor<5xf32> {model.input = "x"}, %w: tensor<5xf32> {model.param = "w"}'
    program = folded(main(arguments, body, "%y", "tensor<5xf32>"), w=np.full(5, value, np.float32))
    assert names(program) == expected
    assert ("cf.assert" in str(program.module)) == (value == 0.0)


def test_inputs_and_results_are_left_alone() -> None:
    """State is an input, whatever reads it; a result that no input goes into is nobody's operand."""
    body = f"""
  %e_f32 = tensor.empty() : tensor<5xf32>
  %a = {elementwise("f32", {"s": "f32", "w": "f32"}, "%c = arith.mulf %s_, %w_ : f32 linalg.yield %c : f32")}
  %y = {elementwise("f32", {"w": "f32"}, "%c = math.absf %w_ : f32 linalg.yield %c : f32")}"""
    arguments = '%s: tensor<5xf32> {model.input = "state"}, %w: tensor<5xf32> {model.param = "w"}'
    text = main(arguments, body, "%y, %a", "tensor<5xf32>").replace(
        '-> (tensor<5xf32> {model.output = "y"})',
        '-> (tensor<5xf32> {model.output = "y"}, tensor<5xf32> {model.output = "z"})',
    )
    text = text.replace("return %y, %a : tensor<5xf32>", "return %y, %a : tensor<5xf32>, tensor<5xf32>")
    assert names(folded(text, w=numbers(5))) == ["w"]


def test_what_a_body_reads_counts_and_loops_are_looked_into() -> None:
    """A row gathered from a table inside a loop: the same in every round, and for every input."""
    body = f"""
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %c3 = arith.constant 3 : index
  %e_f32 = tensor.empty() : tensor<5xf32>
  %start = linalg.fill ins(%zero : f32) outs(%e_f32 : tensor<5xf32>) -> tensor<5xf32>
  %y = scf.for %k = %c0 to %n step %c1 iter_args(%h = %start) -> (tensor<5xf32>) {{
    %row = {
        elementwise(
            "f32",
            {"i": "i64"},
            '''%at = arith.index_cast %i_ : i64 to index
      %v = tensor.extract %w[%at, %c3] : tensor<6x7xf32>
      linalg.yield %v : f32''',
        )
    }
    %s = {elementwise("f32", {"h": "f32", "row": "f32"}, "%c = arith.addf %h_, %row_ : f32 linalg.yield %c : f32")}
    scf.yield %s : tensor<5xf32>
  }}"""
    arguments = (
        '%x: tensor<?xf32> {model.input = "x"}, %i: tensor<5xi64> {model.param = "i"}, '
        '%w: tensor<6x7xf32> {model.param = "w"}'
    )
    w, i = numbers(6, 7), np.array([5, 0, 0, 2, 1])
    text = main(arguments, "  %zero = arith.constant 0.0 : f32" + body, "%y", "tensor<5xf32>")
    program = folded(text, i=i, w=w)
    assert names(program) == ["w.folded"]
    np.testing.assert_array_equal(program.parameters["w.folded"], w[i, 3])
    (y,) = emulate(program, {"x": numbers(3)})
    np.testing.assert_allclose(y, 3 * w[i, 3], rtol=1e-6)


def test_a_number_stays_without_dimensions() -> None:
    body = """
  %e = tensor.empty() : tensor<f32>
  %s = linalg.add ins(%w, %w : tensor<f32>, tensor<f32>) outs(%e : tensor<f32>) -> tensor<f32>
  %y = linalg.mul ins(%x, %s : tensor<f32>, tensor<f32>) outs(%e : tensor<f32>) -> tensor<f32>"""
    arguments = '%x: tensor<f32> {model.input = "x"}, %w: tensor<f32> {model.param = "w"}'
    program = folded(main(arguments, body, "%y", "tensor<f32>"), w=np.array(3, np.float32))
    assert program.parameters["w.folded"].shape == () and program.parameters["w.folded"] == 6
