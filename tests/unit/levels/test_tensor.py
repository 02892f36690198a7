"""The tensor contract: one negative program per rule, and positive ones at its edges."""

from __future__ import annotations

import pytest

from stratagem.compiler.ir import parse_module
from stratagem.compiler.levels.tensor import NEAREST, OPERATIONS, check_tensor_level, nearest_form
from stratagem.runtime.errors import UnsupportedError


def main(body: str, signature: str = '%x: tensor<?x3xf32> {model.input = "x"}', result: str = "tensor<?x3xf32>") -> str:
    head = f'func.func @main({signature}) -> ({result} {{model.output = "y"}})'
    return f'module attributes {{stratagem.level = "tensor"}} {{ {head} {{ {body} }} }}'


def refusal(text: str) -> str:
    with pytest.raises(UnsupportedError) as caught:
        check_tensor_level(parse_module(text))
    return str(caught.value)


def test_smallest_program_is_legal() -> None:
    check_tensor_level(parse_module(main("return %x : tensor<?x3xf32>")))


def test_scalar_arithmetic_and_loops_are_legal() -> None:
    body = """
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %n = tensor.dim %x, %c0 : tensor<?x3xf32>
      %k = arith.constant dense<1.0> : tensor<64xf32>
      %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<?x3xf32>) {
        scf.yield %a : tensor<?x3xf32> }
      return %r : tensor<?x3xf32>"""
    check_tensor_level(parse_module(main(body)))


def test_one_condition_may_select_a_whole_tensor() -> None:
    body = """
      %p = arith.constant true
      %r = arith.select %p, %x, %x : tensor<?x3xf32>
      return %r : tensor<?x3xf32>"""
    check_tensor_level(parse_module(main(body)))


OPERATION_RULES = {
    "insert": (
        "%c0 = arith.constant 0 : index %v = arith.constant 1.0 : f32 "
        "%r = tensor.insert %v into %x[%c0, %c0] : tensor<?x3xf32> return %r : tensor<?x3xf32>",
        ["tensor.insert is not in the tensor contract", "tensor.insert_slice of a slice of one element"],
    ),
    "softmax": (
        "%r = linalg.softmax dimension(1) ins(%x : tensor<?x3xf32>) "
        "outs(%x : tensor<?x3xf32>) -> tensor<?x3xf32> "
        "return %r : tensor<?x3xf32>",
        ["linalg.softmax", "maximum, exponential, sum, quotient"],
    ),
    "arithmetic on tensors": (
        "%r = arith.addf %x, %x : tensor<?x3xf32> return %r : tensor<?x3xf32>",
        ["arith.addf on tensors", "linalg.generic with arith.addf inside"],
    ),
    "a selection by a tensor": (
        "%p = arith.constant dense<true> : tensor<2x3xi1> %k = arith.constant dense<1.0> : tensor<2x3xf32> "
        "%r = arith.select %p, %k, %k : tensor<2x3xi1>, tensor<2x3xf32> return %x : tensor<?x3xf32>",
        ["arith.select on tensors", "linalg.generic with arith.select inside"],
    ),
    "positions of the k largest": (
        "%v = arith.constant dense<1.0> : tensor<2x3xf32> %i = arith.constant dense<0> : tensor<2x3xi64> "
        "%r:2 = tm_tensor.topk dimension(1) ins(%v : tensor<2x3xf32>) outs(%v, %i : tensor<2x3xf32>, tensor<2x3xi64>) {"
        "^bb0(%a: f32, %b: f32): %s = arith.cmpf ogt, %a, %b : f32 tm_tensor.yield %s : i1 } "
        "-> tensor<2x3xf32>, tensor<2x3xi64> return %x : tensor<?x3xf32>",
        ["gives positions of type tensor<2x3xi64>", "positions are i32: convert them behind it"],
    ),
    "branches": ("cf.br ^next ^next: return %x : tensor<?x3xf32>", ["cf.br", "scf.if"]),
    "complex": (
        "%v = arith.constant 1.0 : f32 %z = complex.create %v, %v : complex<f32> return %x : tensor<?x3xf32>",
        ["complex.create", "two real tensors"],
    ),
    "buffers": (
        "%m = memref.alloc() : memref<4xf32> return %x : tensor<?x3xf32>",
        ["memref.alloc", "buffers come at level physical"],
    ),
}


@pytest.mark.parametrize("rule", OPERATION_RULES)
def test_operation_outside_the_contract_is_named_with_its_place_and_the_nearest_form(rule: str) -> None:
    body, expected = OPERATION_RULES[rule]
    message = refusal(main(body))
    assert all(part in message for part in expected), message
    assert "-:1:" in message


def test_constant_above_the_limit() -> None:
    message = refusal(main("%k = arith.constant dense<1.0> : tensor<5x13xf32> return %x : tensor<?x3xf32>"))
    assert "65 elements, the tensor level allows 64" in message
    assert "model.param" in message


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tensor<2xcomplex<f32>>", "two real tensors"),
        ("tensor<2xf8E4M3FN>", "element type f8E4M3FN"),
        ("tensor<2xi4>", "element type i4"),
        ("tensor<*xf32>", "tensors of known rank only"),
        ("memref<2xf32>", "tensors of known rank only"),
        ('tensor<2xf32, "blocked">', "drop the encoding"),
    ],
)
def test_types_outside_the_contract(kind: str, expected: str) -> None:
    assert expected in refusal(main(f"return %x : {kind}", f'%x: {kind} {{model.input = "x"}}', kind))


INTERFACE_RULES = {
    "unnamed argument": ("%x: tensor<?x3xf32>", "argument 0 of @main must have one of"),
    "both names": ('%x: tensor<?x3xf32> {model.input = "x", model.param = "x"}', "must have one of"),
    "order": (
        '%w: tensor<2xf32> {model.param = "w"}, %x: tensor<?x3xf32> {model.input = "x"}',
        "input 'x' of @main comes after a parameter",
    ),
    "parameter with a free size": (
        '%x: tensor<?x3xf32> {model.input = "x"}, %w: tensor<?xf32> {model.param = "w"}',
        "parameters have static shapes",
    ),
    "two inputs of one name": (
        '%x: tensor<?x3xf32> {model.input = "x"}, %w: tensor<2xf32> {model.input = "x"}',
        "two inputs of @main are called 'x'",
    ),
    "unsigned floats": (
        '%x: tensor<?x3xf32> {model.input = "x", model.unsigned}',
        "input 'x' of type tensor<?x3xf32> of @main is marked model.unsigned",
    ),
    "complex integers": (
        '%x: tensor<?x3xf32> {model.input = "x"}, %i: tensor<3x2xi32> {model.input = "i", model.complex}',
        "input 'i' of type tensor<3x2xi32> of @main is marked model.complex",
    ),
    "complex numbers of three parts": (
        '%x: tensor<?x3xf32> {model.input = "x", model.complex}',
        "input 'x' of type tensor<?x3xf32> of @main is marked model.complex",
    ),
    "unsigned parameter": (
        '%x: tensor<?x3xf32> {model.input = "x"}, %w: tensor<2xi8> {model.param = "w", model.unsigned}',
        "a parameter of @main is marked model.unsigned",
    ),
    "small numbers in floats": (
        '%x: tensor<?x3xf32> {model.input = "x", model.stored = "i4"}',
        "'x' of type tensor<?x3xf32> of @main is marked model.stored",
    ),
    "small numbers of no known type": (
        '%x: tensor<?x3xf32> {model.input = "x"}, %w: tensor<2xi8> {model.input = "w", model.stored = "i3"}',
        "model.stored of 'w' is 'i3', no type of small numbers",
    ),
}


@pytest.mark.parametrize("rule", INTERFACE_RULES)
def test_interface_rules(rule: str) -> None:
    signature, expected = INTERFACE_RULES[rule]
    assert expected in refusal(main("return %x : tensor<?x3xf32>", signature))


def test_result_without_a_name() -> None:
    signature = 'func.func @main(%x: tensor<f32> {model.input = "x"}) -> tensor<f32>'
    text = f"module {{ {signature} {{ return %x : tensor<f32> }} }}"
    assert "result 0 of @main has no model.output" in refusal(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("module {}", "this module has: none"),
        ("module { func.func @f() { return } }", "this module has: @f"),
        ("module { func.func private @main() { return } }", "not public"),
        (
            "module { ml_program.global private @g(dense<0> : tensor<i64>) : tensor<i64> }",
            "a parameter, or an argument",
        ),
    ],
)
def test_module_rules(text: str, expected: str) -> None:
    assert expected in refusal(text)


def test_nearest_form_falls_back_to_similar_names() -> None:
    assert nearest_form("linalg.batch_matmuls") == "linalg.batch_matmul"
    assert nearest_form("unheard.of") == ""


def test_nearest_forms_are_for_illegal_operations_only() -> None:
    legal = {f"{dialect}.{name}" for dialect, names in OPERATIONS.items() for name in names}
    assert not legal & set(NEAREST)
