"""`tensor`, `scf`, `cf` and `tm_tensor` operations against numpy, and the rules they check while they run."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import Violation, equal_in_field, reference, reference_with_bound
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import RuntimeInputError
from tests.unit.interpreter.support import Array, result, results

X = np.arange(24, dtype=np.float32).reshape(4, 6)


def test_slices_shapes_and_padding() -> None:
    body = """
    %z = arith.constant -1.0 : f32
    %s = tensor.extract_slice %x[1, 0] [2, 3] [1, 2] : tensor<4x6xf32> to tensor<2x3xf32>
    %p = tensor.pad %s low[0, 1] high[1, 0] {
    ^bb0(%i: index, %j: index):
      tensor.yield %z : f32
    } : tensor<2x3xf32> to tensor<3x4xf32>
    %c = tensor.collapse_shape %p [[0, 1]] : tensor<3x4xf32> into tensor<12xf32>
    %e = tensor.expand_shape %c [[0, 1]] output_shape [2, 6] : tensor<12xf32> into tensor<2x6xf32>
    %k = tensor.concat dim(0) %e, %x : (tensor<2x6xf32>, tensor<4x6xf32>) -> tensor<6x6xf32>
    %i = tensor.insert_slice %s into %k[3, 2] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<6x6xf32>
    return %i : tensor<6x6xf32>"""
    y = result("(%x: tensor<4x6xf32>) -> tensor<6x6xf32>", body, X)
    part = X[1:3, ::2]
    wanted = np.concatenate([np.pad(part, ((0, 1), (1, 0)), constant_values=-1).reshape(2, 6), X])
    wanted[3:5, 2:5] = part
    np.testing.assert_array_equal(y, wanted)


def test_rank_reducing_slices() -> None:
    body = """
    %r = tensor.extract_slice %x[2, 0] [1, 6] [1, 1] : tensor<4x6xf32> to tensor<6xf32>
    %y = tensor.insert_slice %r into %x[0, 0] [1, 6] [1, 1] : tensor<6xf32> into tensor<4x6xf32>
    return %y : tensor<4x6xf32>"""
    wanted = X.copy()
    wanted[0] = X[2]
    np.testing.assert_array_equal(result("(%x: tensor<4x6xf32>) -> tensor<4x6xf32>", body, X), wanted)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_slice_leaves_out_the_dimension_that_its_type_lacks(rows: int) -> None:
    """The last one, also where the first happens to have size 1."""
    body = """
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : tensor<?x3x2xf32>
    %r = tensor.extract_slice %x[0, 0, 1] [%n, 3, 1] [1, 1, 1] : tensor<?x3x2xf32> to tensor<?x3xf32>
    return %r : tensor<?x3xf32>"""
    x = np.arange(6 * rows, dtype=np.float32).reshape(rows, 3, 2)
    np.testing.assert_array_equal(result("(%x: tensor<?x3x2xf32>) -> tensor<?x3xf32>", body, x), x[..., 1])


def test_element_operations() -> None:
    body = """
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %v = tensor.extract %x[%c1, %c2] : tensor<4x6xf32>
    %f = tensor.from_elements %v, %v : tensor<2xf32>
    %s = tensor.splat %v : tensor<2xf32>
    %g = tensor.generate {
    ^bb0(%i: index):
      %k = arith.index_cast %i : index to i32
      %w = arith.sitofp %k : i32 to f32
      tensor.yield %w : f32
    } : tensor<2xf32>
    %a = arith.addf %f, %s : tensor<2xf32>
    %b = arith.mulf %a, %g : tensor<2xf32>
    %r = tensor.insert %v into %b[%c1] : tensor<2xf32>
    %shape = arith.constant dense<[2, 1]> : tensor<2xi32>
    %y = tensor.reshape %r(%shape) : (tensor<2xf32>, tensor<2xi32>) -> tensor<2x1xf32>
    return %y, %b : tensor<2x1xf32>, tensor<2xf32>"""
    y, b = results("(%x: tensor<4x6xf32>) -> (tensor<2x1xf32>, tensor<2xf32>)", body, X)
    np.testing.assert_array_equal(y, [[0], [8]])
    np.testing.assert_array_equal(b, [0, 16])


def test_gather_and_scatter() -> None:
    body = """
    %g = tensor.gather %x[%i] gather_dims([0]) : (tensor<4x6xf32>, tensor<3x1xindex>) -> tensor<3x1x6xf32>
    return %g : tensor<3x1x6xf32>"""
    signature = "(%x: tensor<4x6xf32>, %i: tensor<3x1xindex>) -> tensor<3x1x6xf32>"
    rows = np.array([[3], [0], [3]])
    np.testing.assert_array_equal(result(signature, body, X, rows), X[rows[:, 0]][:, None])
    with pytest.raises(Violation, match="index 4 in dimension 0 of 4 elements"):
        result(signature, body, X, rows + 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "tensor.extract_slice %x[%n, 0] [2, 6] [1, 1] : tensor<4x6xf32> to tensor<2x6xf32>",
            "leaves the 4 elements",
        ),
        ("tensor.extract_slice %x[0, 0] [2, 6] [%n, 1] : tensor<4x6xf32> to tensor<2x6xf32>", None),
    ],
)
def test_slice_bounds(line: str, message: str | None) -> None:
    signature, body = (
        "(%x: tensor<4x6xf32>, %n: index) -> tensor<2x6xf32>",
        f"%y = {line}\nreturn %y : tensor<2x6xf32>",
    )
    if message is None:
        np.testing.assert_array_equal(result(signature, body, X, np.array(3)), X[::3])
        return
    with pytest.raises(Violation, match=message):
        result(signature, body, X, np.array(3))


@pytest.mark.parametrize(("start", "message"), [(0, None), (4, None), (5, "leaves the 4 elements")])
def test_a_slice_of_nothing_is_in_bounds_up_to_the_end(start: int, message: str | None) -> None:
    signature = "(%x: tensor<4x6xf32>, %s: index, %n: index) -> tensor<?x6xf32>"
    line = "%y = tensor.extract_slice %x[%s, 0] [%n, 6] [1, 1] : tensor<4x6xf32> to tensor<?x6xf32>"
    arguments = (signature, f"{line}\nreturn %y : tensor<?x6xf32>", X, np.array(start), np.array(0))
    if message is None:
        assert result(*arguments).shape == (0, 6)
        return
    with pytest.raises(Violation, match=message):
        result(*arguments)


def test_loops_branches_and_assertions() -> None:
    body = """
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c10 = arith.constant 10 : index
    %f = scf.for %i = %c0 to %n step %c1 iter_args(%a = %c1) -> (index) {
      %b = arith.muli %a, %c10 : index
      scf.yield %b : index
    }
    %w = scf.while (%a = %f) : (index) -> index {
      %big = arith.cmpi sgt, %a, %c10 : index
      scf.condition(%big) %a : index
    } do {
    ^bb0(%a: index):
      %b = arith.divsi %a, %c10 : index
      scf.yield %b : index
    }
    %s = scf.index_switch %n -> index
    case 3 {
      scf.yield %c10 : index
    }
    default {
      scf.yield %c0 : index
    }
    %even = arith.cmpi eq, %s, %c10 : index
    cf.assert %even, "three expected"
    %t = tensor.from_elements %f, %w, %s : tensor<3xindex>
    return %t : tensor<3xindex>"""
    np.testing.assert_array_equal(result("(%n: index) -> tensor<3xindex>", body, np.array(3)), [1000, 10, 10])
    with pytest.raises(Violation, match="three expected"):
        result("(%n: index) -> tensor<3xindex>", body, np.array(2))


def test_control_flow_on_an_uncertain_comparison_leaves_nothing_checked() -> None:
    text = """
    func.func @main(%x: f32) -> f32 {
      %one = arith.constant 1.0 : f32
      %three = arith.constant 3.0 : f32
      %third = arith.divf %x, %three : f32
      %again = arith.mulf %third, %three : f32
      %c = arith.cmpf oeq, %again, %one : f32
      %r = scf.if %c -> (f32) {
        scf.yield %one : f32
      } else {
        scf.yield %three : f32
      }
      return %r : f32
    }"""
    (unsure,) = reference_with_bound(parse_module(text), [np.asarray(1.0, np.float32)])
    (sure,) = reference_with_bound(parse_module(text), [np.asarray(5.0, np.float32)])
    assert np.isinf(unsure.bound) and sure.bound == 0.0 and sure.value == 3.0


def test_result_that_nobody_wrote() -> None:
    body = "%e = tensor.empty() : tensor<3xf32>\nreturn %e : tensor<3xf32>"
    with pytest.raises(Violation, match=r"element \[0\] of 'result 0' comes from memory that nobody wrote"):
        result("() -> tensor<3xf32>", body)


def test_unwritten_integers_show_in_the_field() -> None:
    """Integers have no NaN, but two draws of unwritten memory differ."""
    text = "func.func @main() -> tensor<3xi64> {\n%e = tensor.empty() : tensor<3xi64>\nreturn %e : tensor<3xi64>\n}"
    assert any(equal_in_field(parse_module(text), parse_module(text), seeds=[seed]) for seed in range(3))


def test_scan_inclusive_and_exclusive() -> None:
    template = """
    %r:2 = tm_tensor.scan dimension(1) inclusive({}) ins(%x : tensor<4x6xf32>)
        outs(%x, %a : tensor<4x6xf32>, tensor<4xf32>) {{
    ^bb0(%p: f32, %q: f32):
      %s = arith.addf %p, %q : f32
      tm_tensor.yield %s : f32
    }} -> tensor<4x6xf32>, tensor<4xf32>
    return %r#0, %r#1 : tensor<4x6xf32>, tensor<4xf32>"""
    signature = "(%x: tensor<4x6xf32>, %a: tensor<4xf32>) -> (tensor<4x6xf32>, tensor<4xf32>)"
    start = np.full(4, 100, np.float32)
    running, last = results(signature, template.format("true"), X, start)
    np.testing.assert_array_equal(running, X.cumsum(1))
    np.testing.assert_array_equal(last, X.sum(1))
    running, last = results(signature, template.format("false"), X, start)
    np.testing.assert_array_equal(running, 100 + X.cumsum(1) - X)
    np.testing.assert_array_equal(last, 100 + X.sum(1))


def scattered(unique: str, combine: str, rows: Array, updates: Array, shape: str, original: Array) -> Array:
    u, i = f"tensor<{'x'.join(map(str, updates.shape))}xf32>", f"tensor<{rows.shape[0]}x{rows.shape[1]}xi32>"
    body = f"""
    %r = tm_tensor.scatter {{dimension_map = array<i64: 0>}} unique_indices({unique})
        ins(%u, %i : {u}, {i}) outs(%o : {shape}) {{
    ^bb0(%new: f32, %old: f32):
      {combine}
    }} -> {shape}
    return %r : {shape}"""
    return result(f"(%u: {u}, %i: {i}, %o: {shape}) -> {shape}", body, updates, rows, original)


def test_scatter() -> None:
    add = "%s = arith.addf %old, %new : f32\ntm_tensor.yield %s : f32"
    rows = np.array([[1], [3], [1], [1]], np.int32)
    updates = np.arange(24, dtype=np.float32).reshape(4, 6)
    wanted = X.astype(np.float64)
    np.add.at(wanted, rows[:, 0], updates)
    np.testing.assert_array_equal(scattered("false", add, rows, updates, "tensor<4x6xf32>", X), wanted)
    put = "tm_tensor.yield %new : f32"
    got = scattered("false", put, rows, updates, "tensor<4x6xf32>", X)
    np.testing.assert_array_equal(got[[1, 3]], updates[[3, 1]])
    with pytest.raises(Violation, match="claims unique indices"):
        scattered("true", put, rows, updates, "tensor<4x6xf32>", X)


def test_sort_and_topk() -> None:
    x = np.array([[3, 1, 2, 1], [0, -1, 5, 4]], np.float32)
    positions = np.tile(np.arange(4), (2, 1))
    body = """
    %r:2 = tm_tensor.sort dimension(1) outs(%x, %i : tensor<2x4xf32>, tensor<2x4xi64>) {
    ^bb0(%a: f32, %b: f32, %p: i64, %q: i64):
      %s = arith.cmpf oge, %a, %b : f32
      tm_tensor.yield %s : i1
    } -> tensor<2x4xf32>, tensor<2x4xi64>
    return %r#0, %r#1 : tensor<2x4xf32>, tensor<2x4xi64>"""
    signature = "(%x: tensor<2x4xf32>, %i: tensor<2x4xi64>) -> (tensor<2x4xf32>, tensor<2x4xi64>)"
    values, where = results(signature, body, x, positions)
    np.testing.assert_array_equal(values, -np.sort(-x, axis=1))
    np.testing.assert_array_equal(where, np.argsort(-x, axis=1, kind="stable"))
    bounds = reference_with_bound(parse_module(f"func.func @main{signature} {{\n{body}\n}}"), [x, positions])
    assert not bounds[0].bound.any()
    body = """
    %high = arith.constant 0x7F800000 : f32
    %zero = arith.constant 0 : i64
    %e = tensor.empty() : tensor<2x2xf32>
    %v = linalg.fill ins(%high : f32) outs(%e : tensor<2x2xf32>) -> tensor<2x2xf32>
    %ei = tensor.empty() : tensor<2x2xi64>
    %w = linalg.fill ins(%zero : i64) outs(%ei : tensor<2x2xi64>) -> tensor<2x2xi64>
    %r:2 = tm_tensor.topk dimension(1) ins(%x : tensor<2x4xf32>)
        outs(%v, %w : tensor<2x2xf32>, tensor<2x2xi64>) {
    ^bb0(%a: f32, %b: f32):
      %s = arith.cmpf olt, %a, %b : f32
      tm_tensor.yield %s : i1
    } -> tensor<2x2xf32>, tensor<2x2xi64>
    return %r#0, %r#1 : tensor<2x2xf32>, tensor<2x2xi64>"""
    values, where = results("(%x: tensor<2x4xf32>) -> (tensor<2x2xf32>, tensor<2x2xi64>)", body, x)
    np.testing.assert_array_equal(values, [[1, 1], [-1, 0]])
    np.testing.assert_array_equal(where, [[1, 3], [1, 0]])


def test_attention_equals_its_parts_in_the_field() -> None:
    fused = """
    func.func @main(%q: tensor<2x3x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>)
        -> tensor<2x3x4xf32> {
      %e = tensor.empty() : tensor<2x3x4xf32>
      %r = tm_tensor.attention ins(%q, %k, %v : tensor<2x3x4xf32>, tensor<2x5x4xf32>, tensor<2x5x4xf32>)
          outs(%e : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
      return %r : tensor<2x3x4xf32>
    }"""
    parts = """
    #i = affine_map<(b, i, j) -> (b, i, j)>
    func.func @main(%q: tensor<2x3x4xf32>, %k: tensor<2x5x4xf32>, %v: tensor<2x5x4xf32>)
        -> tensor<2x3x4xf32> {
      %z = arith.constant 0.0 : f32
      %half = arith.constant 0.5 : f32
      %es = tensor.empty() : tensor<2x3x5xf32>
      %s0 = linalg.fill ins(%z : f32) outs(%es : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
      %ek = tensor.empty() : tensor<2x4x5xf32>
      %kt = linalg.transpose ins(%k : tensor<2x5x4xf32>) outs(%ek : tensor<2x4x5xf32>) permutation = [0, 2, 1]
      %s = linalg.batch_matmul ins(%q, %kt : tensor<2x3x4xf32>, tensor<2x4x5xf32>)
          outs(%s0 : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
      %t = linalg.generic {indexing_maps = [#i, #i], iterator_types = ["parallel", "parallel", "parallel"]}
          ins(%s : tensor<2x3x5xf32>) outs(%es : tensor<2x3x5xf32>) {
      ^bb0(%a: f32, %o: f32):
        %1 = arith.mulf %a, %half : f32
        linalg.yield %1 : f32
      } -> tensor<2x3x5xf32>
      %p = linalg.softmax dimension(2) ins(%t : tensor<2x3x5xf32>)
          outs(%es : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
      %e = tensor.empty() : tensor<2x3x4xf32>
      %r0 = linalg.fill ins(%z : f32) outs(%e : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
      %r = linalg.batch_matmul ins(%p, %v : tensor<2x3x5xf32>, tensor<2x5x4xf32>)
          outs(%r0 : tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
      return %r : tensor<2x3x4xf32>
    }"""
    assert equal_in_field(parse_module(fused), parse_module(parts)) is None


def test_inputs_are_checked() -> None:
    module = parse_module(
        'func.func @main(%x: tensor<?x3xf32> {model.input = "x"}, %w: tensor<3xf32> {model.param = "w"}) '
        "-> tensor<?x3xf32> {\n return %x : tensor<?x3xf32>\n}"
    )
    w = np.zeros(3, np.float32)
    with pytest.raises(RuntimeInputError, match=r"'x' has shape \[2, 4\], the program takes \['\?', 3\]"):
        reference(module, [np.zeros((2, 4), np.float32)], {"w": w})
    with pytest.raises(RuntimeInputError, match="no input 'x' among"):
        reference(module, {"y": w}, {"w": w})
    with pytest.raises(RuntimeInputError, match="no data for 'w'"):
        reference(module, [np.zeros((2, 3), np.float32)])
    with pytest.raises(RuntimeInputError, match="1 more inputs given"):
        reference(module, [np.zeros((2, 3), np.float32), w, w])


def test_where_a_sort_leaves_nan_is_not_known() -> None:
    text = """func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
      %r = tm_tensor.sort dimension(1) outs(%x : tensor<2x3xf32>) {
      ^bb0(%a: f32, %b: f32):
        %p = arith.cmpf ole, %a, %b : f32
        tm_tensor.yield %p : i1
      } -> tensor<2x3xf32>
      return %r : tensor<2x3xf32>
    }"""
    x = np.array([[3, np.nan, 1], [3, 2, 1]], np.float32)
    [(value, bound)] = reference_with_bound(parse_module(text), [x])
    assert np.isinf(bound[0]).all() and not bound[1].any() and value[1].tolist() == [1, 2, 3]
