"""Whole programs in forms that are rare in models, down the ladder and run: the code agrees with the reference."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import stratagem as sg
from stratagem.api.verifying import Verification
from stratagem.compiler.interpreter.api import compare, reference_with_bound
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.bindings import ExecutionError
from stratagem.runtime.container import Container
from stratagem.runtime.parameters import ParameterStore
from tests.run.cpu.harness import Array

Arrays = dict[str, Array]


def module(signature: str, body: str) -> str:
    return f'module attributes {{stratagem.level = "tensor"}} {{\nfunc.func @main{signature} {{\n{body}\n}}\n}}'


def compiled(text: str, parameters: Arrays | None = None, target: str = "cpu") -> sg.CompiledModel:
    return sg.compile(Program(parse_module(text), ParameterStore(parameters or {})), target=target)


def check(text: str, inputs: Arrays, parameters: Arrays | None = None) -> list[Array]:
    """Compiles, runs twice, and compares with the bound; the results."""
    executable = compiled(text, parameters).executable
    executable(**inputs)
    results = executable(**inputs)
    wanted = reference_with_bound(Program(parse_module(text), ParameterStore(parameters or {})), inputs)
    for result, bounded in zip(results, wanted, strict=True):
        verdict = compare(result, *bounded)
        assert verdict, verdict
    return results


def test_a_constant_as_a_result_belongs_to_the_caller() -> None:
    body = "%c = arith.constant dense<[7, 1, 3]> : tensor<3xi32>\nreturn %c : tensor<3xi32>"
    (result,) = check(module('() -> (tensor<3xi32> {model.output = "y"})', body), {})
    result += 1
    np.testing.assert_array_equal(result, [8, 2, 4])


@pytest.mark.parametrize("x", [-1.0, 1.0])
def test_a_constant_from_a_branch_is_a_copy(x: float) -> None:
    body = """
    %z = arith.constant 0.0 : f32
    %v = tensor.extract %x[] : tensor<f32>
    %p = arith.cmpf ogt, %v, %z : f32
    %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %d = arith.constant dense<[3.0, 4.0]> : tensor<2xf32>
    %r = scf.if %p -> (tensor<2xf32>) {
      scf.yield %c : tensor<2xf32>
    } else {
      scf.yield %d : tensor<2xf32>
    }
    return %r : tensor<2xf32>"""
    signature = '(%x: tensor<f32> {model.input = "x"}) -> (tensor<2xf32> {model.output = "y"})'
    check(module(signature, body), {"x": np.asarray(x, np.float32)})


@pytest.mark.parametrize("element", ["f64", "f32", "f16", "i64", "i8"])
def test_kernels_that_take_an_element_by_value_are_verified_alone(element: str, tmp_path: Path) -> None:
    body = f"""
    %c0 = arith.constant 0 : index
    %v = tensor.extract %x[%c0] : tensor<3x{element}>
    %s = tensor.splat %v : tensor<2x2x{element}>
    return %s : tensor<2x2x{element}>"""
    kind = f"tensor<3x{element}>"
    signature = f'(%x: {kind} {{model.input = "x"}}) -> (tensor<2x2x{element}> {{model.output = "y"}})'
    model = compiled(module(signature, body))
    path = model.save(tmp_path / "model.sgm")
    dtype = model.signature.inputs[0].numpy_dtype
    findings = Verification(Container(path), model.compilation.machine).run_findings(
        {"x": np.asarray([-5, 1, 2], dtype)}
    )
    assert findings and all(f.verdict.value == "tested" for f in findings)


@pytest.mark.parametrize("element", ["f16", "bf16"])
def test_narrow_floats_are_gathered(element: str) -> None:
    body = f"""
    %e = tensor.empty() : tensor<5x{element}>
    %r = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
        iterator_types = ["parallel"]}} ins(%i : tensor<5xi32>) outs(%e : tensor<5x{element}>) {{
    ^bb0(%p: i32, %o: {element}):
      %n = arith.index_cast %p : i32 to index
      %v = tensor.extract %x[%n] : tensor<7x{element}>
      %w = arith.addf %v, %v : {element}
      linalg.yield %w : {element}
    }} -> tensor<5x{element}>
    return %r : tensor<5x{element}>"""
    signature = f"""(%x: tensor<7x{element}> {{model.input = "x"}}, %i: tensor<5xi32> {{model.input = "i"}})
        -> (tensor<5x{element}> {{model.output = "y"}})"""
    text = module(signature, body)
    dtype = compiled(text).signature.inputs[0].numpy_dtype
    check(text, {"x": np.arange(7).astype(dtype), "i": np.array([6, 0, 3, 3, 1], np.int32)})


@pytest.mark.parametrize("inclusive", ["true", "false"])
@pytest.mark.parametrize("size", [0, 1, 5])
def test_the_last_accumulator_of_a_scan(inclusive: str, size: int) -> None:
    body = f"""
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : tensor<?x3xf32>
    %e = tensor.empty(%n) : tensor<?x3xf32>
    %r:2 = tm_tensor.scan dimension(0) inclusive({inclusive}) ins(%x : tensor<?x3xf32>)
        outs(%e, %a : tensor<?x3xf32>, tensor<3xf32>) {{
    ^bb0(%p: f32, %q: f32):
      %s = arith.subf %p, %q : f32
      tm_tensor.yield %s : f32
    }} -> tensor<?x3xf32>, tensor<3xf32>
    return %r#0, %r#1 : tensor<?x3xf32>, tensor<3xf32>"""
    signature = """(%x: tensor<?x3xf32> {model.input = "x"}, %a: tensor<3xf32> {model.input = "a"})
        -> (tensor<?x3xf32> {model.output = "y"}, tensor<3xf32> {model.output = "z"})"""
    x = np.arange(3 * size, dtype=np.float32).reshape(size, 3)
    check(module(signature, body), {"x": x, "a": np.array([1, 2, 3], np.float32)})


@pytest.mark.parametrize("inclusive", ["true", "false"])
def test_the_last_accumulator_is_rounded_in_the_order_of_the_scan(inclusive: str) -> None:
    body = f"""
    %e = tensor.empty() : tensor<8xf64>
    %r:2 = tm_tensor.scan dimension(0) inclusive({inclusive}) ins(%x : tensor<8xf64>)
        outs(%e, %a : tensor<8xf64>, tensor<f64>) {{
    ^bb0(%p: f64, %q: f64):
      %s = arith.mulf %p, %q : f64
      tm_tensor.yield %s : f64
    }} -> tensor<8xf64>, tensor<f64>
    return %r#1 : tensor<f64>"""
    signature = """(%x: tensor<8xf64> {model.input = "x"}, %a: tensor<f64> {model.input = "a"})
        -> (tensor<f64> {model.output = "z"})"""
    check(module(signature, body), {"x": np.random.default_rng(5).normal(size=8), "a": np.array(1.5)})


def test_operands_of_a_topk_that_start_from_one_empty_tensor() -> None:
    body = """
    %most = arith.constant 2147483647 : i32
    %zero = arith.constant 0 : i32
    %e = tensor.empty() : tensor<3xi32>
    %v = linalg.fill ins(%most : i32) outs(%e : tensor<3xi32>) -> tensor<3xi32>
    %p = linalg.fill ins(%zero : i32) outs(%e : tensor<3xi32>) -> tensor<3xi32>
    %r:2 = tm_tensor.topk dimension(0) ins(%x : tensor<3xi32>) outs(%v, %p : tensor<3xi32>, tensor<3xi32>) {
    ^bb0(%a: i32, %b: i32):
      %s = arith.cmpi slt, %a, %b : i32
      tm_tensor.yield %s : i1
    } -> tensor<3xi32>, tensor<3xi32>
    return %r#0 : tensor<3xi32>"""
    signature = """(%x: tensor<3xi32> {model.input = "x"}) -> (tensor<3xi32> {model.output = "y"})"""
    [result] = check(module(signature, body), {"x": np.array([5, -2, 4], np.int32)})
    assert result.tolist() == [-2, 4, 5]


@pytest.mark.parametrize("element", ["f16", "bf16", "i16"])
def test_narrow_elements_change_places(element: str) -> None:
    kind = f"tensor<6x3x6x{element}>"
    body = f"""
    %e = tensor.empty() : {kind}
    %r = linalg.transpose ins(%x : {kind}) outs(%e : {kind}) permutation = [2, 1, 0]
    return %r : {kind}"""
    signature = f"""(%x: {kind} {{model.input = "x"}}) -> ({kind} {{model.output = "y"}})"""
    dtype = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "i16": np.int16}[element]
    x = np.arange(108).reshape(6, 3, 6).astype(dtype)
    [result] = check(module(signature, body), {"x": x})
    assert np.array_equal(result, x.transpose(2, 1, 0))


@pytest.mark.parametrize("low, high", [((2, 0), (0, 3)), ((1, 1), (1, 1)), ((1, 0), (0, 0)), ((0, 2), (0, 0))])
def test_a_tensor_that_is_padded_and_read(low: tuple[int, int], high: tuple[int, int]) -> None:
    rows, columns = 5 + low[0] + high[0], 7 + low[1] + high[1]
    body = f"""
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<5x7xf32>
    %v = linalg.generic {{indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0, d1)>],
        iterator_types = ["parallel", "parallel"]}} ins(%x : tensor<5x7xf32>) outs(%e : tensor<5x7xf32>) {{
    ^bb0(%a: f32, %o: f32):
      %s = arith.addf %a, %a : f32
      linalg.yield %s : f32
    }} -> tensor<5x7xf32>
    %p = tensor.pad %v low[{low[0]}, {low[1]}] high[{high[0]}, {high[1]}] {{
    ^bb0(%i: index, %j: index):
      tensor.yield %zero : f32
    }} : tensor<5x7xf32> to tensor<{rows}x{columns}xf32>
    %r = linalg.add ins(%v, %x : tensor<5x7xf32>, tensor<5x7xf32>) outs(%e : tensor<5x7xf32>) -> tensor<5x7xf32>
    return %p, %r : tensor<{rows}x{columns}xf32>, tensor<5x7xf32>"""
    signature = f"""(%x: tensor<5x7xf32> {{model.input = "x"}})
        -> (tensor<{rows}x{columns}xf32> {{model.output = "y"}}, tensor<5x7xf32> {{model.output = "z"}})"""
    check(module(signature, body), {"x": np.arange(35, dtype=np.float32).reshape(5, 7)})


def test_a_folded_parameter_of_rank_0_stays_one() -> None:
    body = """
    %e = tensor.empty() : tensor<f32>
    %s = linalg.generic {indexing_maps = [affine_map<() -> ()>, affine_map<() -> ()>], iterator_types = []}
        ins(%w : tensor<f32>) outs(%e : tensor<f32>) {
    ^bb0(%a: f32, %o: f32):
      %t = math.exp %a : f32
      linalg.yield %t : f32
    } -> tensor<f32>
    %r = linalg.add ins(%x, %s : tensor<f32>, tensor<f32>) outs(%e : tensor<f32>) -> tensor<f32>
    return %r : tensor<f32>"""
    signature = """(%x: tensor<f32> {model.input = "x"}, %w: tensor<f32> {model.param = "w"})
        -> (tensor<f32> {model.output = "y"})"""
    text, parameters = module(signature, body), {"w": np.asarray(2.0, np.float32)}
    check(text, {"x": np.asarray(1.0, np.float32)}, parameters)
    store = compiled(text, parameters).compilation.parameters
    assert [array.shape for array in store.values()] == [()]


@pytest.mark.parametrize(("rows", "message"), [(4, "reaches past dimension 0"), (3, "")])
def test_a_slice_outside_its_tensor_ends_the_run(rows: int, message: str) -> None:
    body = """
    %c0 = arith.constant 0 : index
    %n = tensor.dim %y, %c0 : tensor<?xf32>
    %r = tensor.insert_slice %y into %x[2] [%n] [1] : tensor<?xf32> into tensor<5xf32>
    return %r : tensor<5xf32>"""
    signature = """(%x: tensor<5xf32> {model.input = "x"}, %y: tensor<?xf32> {model.input = "y"})
        -> (tensor<5xf32> {model.output = "z"})"""
    text = module(signature, body)
    inputs = {"x": np.zeros(5, np.float32), "y": np.ones(rows, np.float32)}
    if not message:
        check(text, inputs)
        return
    with pytest.raises(ExecutionError, match=message):
        compiled(text).executable(**inputs)


def test_a_program_without_arguments_is_cut_over_ranks() -> None:
    body = "%c = arith.constant dense<2.0> : tensor<1xf32>\nreturn %c : tensor<1xf32>"
    model = compiled(module('() -> (tensor<1xf32> {model.output = "y"})', body), target="two-hosts")
    assert model.compilation.ranks == 2 and "physical" in model.levels


@pytest.mark.parametrize("rows", [0, 2])
def test_empty_tensors_are_padded_and_joined(rows: int) -> None:
    body = f"""
    %one = arith.constant 1.0 : f32
    %p = tensor.pad %x low[1, 0] high[1, 0] {{
    ^bb0(%i: index, %j: index):
      tensor.yield %one : f32
    }} : tensor<{rows}x0xf32> to tensor<{rows + 2}x0xf32>
    %q = tensor.pad %x low[0, 1] high[0, 1] {{
    ^bb0(%i: index, %j: index):
      tensor.yield %one : f32
    }} : tensor<{rows}x0xf32> to tensor<{rows}x2xf32>
    %c = tensor.concat dim(1) %q, %x, %q : (tensor<{rows}x2xf32>, tensor<{rows}x0xf32>, tensor<{rows}x2xf32>)
        -> tensor<{rows}x4xf32>
    return %p, %c : tensor<{rows + 2}x0xf32>, tensor<{rows}x4xf32>"""
    signature = f"""(%x: tensor<{rows}x0xf32> {{model.input = "x"}})
        -> (tensor<{rows + 2}x0xf32> {{model.output = "y"}}, tensor<{rows}x4xf32> {{model.output = "z"}})"""
    check(module(signature, body), {"x": np.zeros((rows, 0), np.float32)})


@pytest.mark.parametrize("columns", [0, 3])
@pytest.mark.parametrize("type_of_rows", ["0", "?"])
def test_a_scatter_of_nothing_changes_nothing(type_of_rows: str, columns: int) -> None:
    body = f"""
    %r = tm_tensor.scatter {{dimension_map = array<i64: 0>}} unique_indices(false)
        ins(%u, %i : tensor<{type_of_rows}x{columns}xf32>, tensor<{type_of_rows}x1xi32>)
        outs(%x : tensor<5x{columns}xf32>) {{
    ^bb0(%a: f32, %b: f32):
      tm_tensor.yield %a : f32
    }} -> tensor<5x{columns}xf32>
    return %r : tensor<5x{columns}xf32>"""
    signature = f"""(%x: tensor<5x{columns}xf32> {{model.input = "x"}},
        %u: tensor<{type_of_rows}x{columns}xf32> {{model.input = "u"}},
        %i: tensor<{type_of_rows}x1xi32> {{model.input = "i"}})
        -> (tensor<5x{columns}xf32> {{model.output = "y"}})"""
    text = module(signature, body)
    x = np.arange(5 * columns, dtype=np.float32).reshape(5, columns)
    (result,) = check(text, {"x": x, "u": np.zeros((0, columns), np.float32), "i": np.zeros((0, 1), np.int32)})
    np.testing.assert_array_equal(result, x)
    if type_of_rows == "?":
        outside = {"x": x, "u": np.ones((1, columns), np.float32), "i": np.array([[5]], np.int32)}
        with pytest.raises(ExecutionError, match="outside dimension 0 of size 5"):
            compiled(text).executable(**outside)


@pytest.mark.parametrize("element", ["f16", "bf16"])
def test_bits_of_narrow_floats(element: str) -> None:
    body = f"""
    %one = arith.constant 1 : i16
    %e = tensor.empty() : tensor<7x{element}>
    %f = tensor.empty() : tensor<7xi16>
    %r:2 = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
        iterator_types = ["parallel"]}} ins(%x : tensor<7x{element}>)
        outs(%e, %f : tensor<7x{element}>, tensor<7xi16>) {{
    ^bb0(%a: {element}, %o: {element}, %p: i16):
      %b = arith.bitcast %a : {element} to i16
      %c = arith.xori %b, %one : i16
      %d = arith.bitcast %c : i16 to {element}
      linalg.yield %d, %b : {element}, i16
    }} -> (tensor<7x{element}>, tensor<7xi16>)
    return %r#0, %r#1 : tensor<7x{element}>, tensor<7xi16>"""
    signature = f"""(%x: tensor<7x{element}> {{model.input = "x"}})
        -> (tensor<7x{element}> {{model.output = "y"}}, tensor<7xi16> {{model.output = "z"}})"""
    text = module(signature, body)
    dtype = compiled(text).signature.inputs[0].numpy_dtype
    x = np.asarray([0, -0.0, 1, -2.5, 1e-6, 300, np.inf]).astype(dtype)
    flipped, bits = check(text, {"x": x})
    np.testing.assert_array_equal(bits, x.view(np.int16))
    np.testing.assert_array_equal(flipped.view(np.int16), x.view(np.int16) ^ 1)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("target", ["cpu", "two-hosts"])
def test_a_branch_that_only_chooses(target: str, first: bool) -> None:
    """The two tensors may differ in size: the one that is chosen is handed on as it is."""
    body = """
    %r = tensor.extract %p[] : tensor<i1>
    %s = scf.if %r -> (tensor<?xf32>) {
      scf.yield %x : tensor<?xf32>
    } else {
      scf.yield %y : tensor<?xf32>
    }
    %c0 = arith.constant 0 : index
    %n = tensor.dim %s, %c0 : tensor<?xf32>
    %e = tensor.empty(%n) : tensor<?xf32>
    %t = linalg.add ins(%s, %s : tensor<?xf32>, tensor<?xf32>) outs(%e : tensor<?xf32>) -> tensor<?xf32>
    return %s, %t : tensor<?xf32>, tensor<?xf32>"""
    signature = """(%p: tensor<i1> {model.input = "p"}, %x: tensor<?xf32> {model.input = "x"},
                    %y: tensor<?xf32> {model.input = "y"})
        -> (tensor<?xf32> {model.output = "s"}, tensor<?xf32> {model.output = "t"})"""
    model = compiled(module(signature, body), target=target)
    x, y = np.arange(3, dtype=np.float32), np.arange(5, dtype=np.float32) + 10
    results = model.executable(p=np.asarray(first), x=x, y=y)
    wanted = x if first else y
    np.testing.assert_array_equal(results[0], wanted)
    np.testing.assert_array_equal(results[1], 2 * wanted)
