"""`linalg` operations against numpy: maps, windows, indices, gathers, several results, known and unknown
reductions.
"""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.interpreter import contraction
from stratagem.compiler.interpreter.api import Violation, equal_in_field, reference, reference_with_bound
from stratagem.compiler.interpreter.ops import structured
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import UnsupportedError
from tests.unit.interpreter.support import Array, result, results

RNG = np.random.default_rng(0)


def rand(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def test_convolution_with_strides_and_dilations() -> None:
    x, k = rand(2, 9, 11, 3), rand(3, 2, 3, 4)
    body = """
    %z = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<2x4x4x4xf32>
    %f = linalg.fill ins(%z : f32) outs(%e : tensor<2x4x4x4xf32>) -> tensor<2x4x4x4xf32>
    %y = linalg.conv_2d_nhwc_hwcf {strides = dense<[1, 2]> : tensor<2xi64>, dilations = dense<[2, 3]>
        : tensor<2xi64>}
      ins(%x, %k : tensor<2x9x11x3xf32>, tensor<3x2x3x4xf32>)
          outs(%f : tensor<2x4x4x4xf32>) -> tensor<2x4x4x4xf32>
    return %y : tensor<2x4x4x4xf32>"""
    y = result("(%x: tensor<2x9x11x3xf32>, %k: tensor<3x2x3x4xf32>) -> tensor<2x4x4x4xf32>", body, x, k)
    wanted = np.zeros((2, 4, 4, 4))
    for i in range(4):
        for j in range(4):
            window = x[:, i : i + 5 : 2, 2 * j : 2 * j + 4 : 3, :].astype(np.float64)
            wanted[:, i, j] = np.einsum("nhwc,hwcf->nf", window, k.astype(np.float64))
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)


def test_depthwise_convolution_and_pooling() -> None:
    x, k = rand(1, 3, 6, 6), rand(3, 3, 3)
    body = """
    %z = arith.constant 0.0 : f32
    %low = arith.constant 0xFF800000 : f32
    %e = tensor.empty() : tensor<1x3x4x4xf32>
    %f = linalg.fill ins(%z : f32) outs(%e : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
    %y = linalg.depthwise_conv_2d_nchw_chw {strides = dense<1> : tensor<2xi64>, dilations = dense<1>
        : tensor<2xi64>}
      ins(%x, %k : tensor<1x3x6x6xf32>, tensor<3x3x3xf32>)
          outs(%f : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
    %w = tensor.empty() : tensor<2x2xf32>
    %pe = tensor.empty() : tensor<1x3x2x2xf32>
    %p0 = linalg.fill ins(%low : f32) outs(%pe : tensor<1x3x2x2xf32>) -> tensor<1x3x2x2xf32>
    %p = linalg.pooling_nchw_max {strides = dense<2> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>}
      ins(%y, %w : tensor<1x3x4x4xf32>, tensor<2x2xf32>)
          outs(%p0 : tensor<1x3x2x2xf32>) -> tensor<1x3x2x2xf32>
    return %y, %p : tensor<1x3x4x4xf32>, tensor<1x3x2x2xf32>"""
    signature = "(%x: tensor<1x3x6x6xf32>, %k: tensor<3x3x3xf32>) -> (tensor<1x3x4x4xf32>, tensor<1x3x2x2xf32>)"
    y, p = results(signature, body, x, k)
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (3, 3), (2, 3))
    np.testing.assert_allclose(y, np.einsum("nchwij,cij->nchw", windows, k.astype(np.float64)), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(p, y.reshape(1, 3, 2, 2, 2, 2).max(axis=(3, 5)))


def test_index_and_gather_in_the_body() -> None:
    table, rows = rand(7, 4), np.array([6, 0, 3], np.int64)
    body = """
    %e = tensor.empty() : tensor<3x4xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
                         iterator_types = ["parallel", "parallel"]}
        ins(%rows : tensor<3xi64>) outs(%e : tensor<3x4xf32>) {
    ^bb0(%r: i64, %o: f32):
      %i = arith.index_cast %r : i64 to index
      %j = linalg.index 1 : index
      %v = tensor.extract %table[%i, %j] : tensor<7x4xf32>
      %k = arith.index_cast %j : index to i64
      %f = arith.sitofp %k : i64 to f32
      %s = arith.addf %v, %f : f32
      linalg.yield %s : f32
    } -> tensor<3x4xf32>
    return %y : tensor<3x4xf32>"""
    signature = "(%table: tensor<7x4xf32>, %rows: tensor<3xi64>) -> tensor<3x4xf32>"
    np.testing.assert_allclose(result(signature, body, table, rows), table[rows] + np.arange(4), rtol=1e-7)
    with pytest.raises(Violation, match="index 7 in dimension 0 of 7 elements"):
        result(signature, body, table, np.array([0, 7, 1], np.int64))


ARGMAX = """
    %low = arith.constant 0xFF800000 : f32
    %zero = arith.constant 0 : i64
    %e = tensor.empty() : tensor<5xf32>
    %ei = tensor.empty() : tensor<5xi64>
    %m0 = linalg.fill ins(%low : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
    %i0 = linalg.fill ins(%zero : i64) outs(%ei : tensor<5xi64>) -> tensor<5xi64>
    %r:2 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>,
                           affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<5x13xf32>) outs(%m0, %i0 : tensor<5xf32>, tensor<5xi64>) {
    ^bb0(%v: f32, %m: f32, %i: i64):
      %j = linalg.index 1 : index
      %k = arith.index_cast %j : index to i64
      %g = arith.cmpf ogt, %v, %m : f32
      %a = arith.select %g, %v, %m : f32
      %b = arith.select %g, %k, %i : i64
      linalg.yield %a, %b : f32, i64
    } -> (tensor<5xf32>, tensor<5xi64>)
    return %r#0, %r#1 : tensor<5xf32>, tensor<5xi64>"""
ARGMAX_SIGNATURE = "(%x: tensor<5x13xf32>) -> (tensor<5xf32>, tensor<5xi64>)"


def test_argmax_has_two_results() -> None:
    x = rand(5, 13)
    value, position = results(ARGMAX_SIGNATURE, ARGMAX, x)
    np.testing.assert_array_equal(value, x.max(1))
    np.testing.assert_array_equal(position, x.argmax(1))


def test_argmax_of_uncertain_numbers_is_in_doubt() -> None:
    """Two candidates closer than their bounds: the position is not checked, the value keeps a finite
    bound.
    """
    text = f"func.func @main{ARGMAX_SIGNATURE} {{\n{ARGMAX}\n}}"
    text = text.replace("ins(%x :", "ins(%d :").replace(
        "%r:2 =",
        "%three = arith.constant dense<3.0> : tensor<5x13xf32>\n%d = arith.divf %x, %three : tensor<5x13xf32>\n%r:2 =",
    )
    x = rand(5, 13)
    x[0, 2] = x[0, 9] = 50.0
    value, position = reference_with_bound(parse_module(text), [x])
    assert np.isinf(position.bound[0]) and (position.bound[1:] == 0).all()
    assert np.isfinite(value.bound).all()


def test_transposed_output_and_constant_index() -> None:
    x = rand(4, 5)
    maps = "#a = affine_map<(i, j) -> (i, j)>\n#b = affine_map<(i, j) -> (j, i)>\n"
    maps += "#c = affine_map<(i, j) -> (0, j)>"
    body = """
    %e = tensor.empty() : tensor<5x4xf32>
    %y = linalg.generic {indexing_maps = [#a, #c, #b], iterator_types = ["parallel", "parallel"]}
        ins(%x, %x : tensor<4x5xf32>, tensor<4x5xf32>) outs(%e : tensor<5x4xf32>) {
    ^bb0(%p: f32, %q: f32, %o: f32):
      %s = arith.subf %p, %q : f32
      linalg.yield %s : f32
    } -> tensor<5x4xf32>
    return %y : tensor<5x4xf32>"""
    y = result("(%x: tensor<4x5xf32>) -> tensor<5x4xf32>", body, x, maps=maps)
    np.testing.assert_array_equal(y, (x.astype(np.float64) - x[:1]).T)


def test_non_linear_map_reads_by_gather_and_checks_bounds() -> None:
    maps = "#a = affine_map<(i) -> (i floordiv 2)>\n#b = affine_map<(i) -> (i)>"
    body = """
    %e = tensor.empty() : tensor<6xf32>
    %y = linalg.generic {indexing_maps = [#a, #b], iterator_types = ["parallel"]}
        ins(%x : tensor<?xf32>) outs(%e : tensor<6xf32>) {
    ^bb0(%p: f32, %o: f32):
      linalg.yield %p : f32
    } -> tensor<6xf32>
    return %y : tensor<6xf32>"""
    np.testing.assert_array_equal(
        result("(%x: tensor<?xf32>) -> tensor<6xf32>", body, np.array([1, 2, 3], np.float32), maps=maps),
        [1, 1, 2, 2, 3, 3],
    )
    with pytest.raises(Violation, match=r"read at 0..2, the operand has 2 elements"):
        result("(%x: tensor<?xf32>) -> tensor<6xf32>", body, np.zeros(2, np.float32), maps=maps)


def test_named_elementwise_reduce_map_transpose_broadcast() -> None:
    x = rand(3, 4)
    body = """
    %z = arith.constant 1.0 : f32
    %e = tensor.empty() : tensor<4x3xf32>
    %t = linalg.transpose ins(%x : tensor<3x4xf32>) outs(%e : tensor<4x3xf32>) permutation = [1, 0]
    %a = linalg.add ins(%t, %t : tensor<4x3xf32>, tensor<4x3xf32>)
        outs(%e : tensor<4x3xf32>) -> tensor<4x3xf32>
    %er = tensor.empty() : tensor<4xf32>
    %r0 = linalg.fill ins(%z : f32) outs(%er : tensor<4xf32>) -> tensor<4xf32>
    %r = linalg.reduce {arith.mulf} ins(%a : tensor<4x3xf32>) outs(%r0 : tensor<4xf32>) dimensions = [1]
    %b = linalg.broadcast ins(%r : tensor<4xf32>) outs(%e : tensor<4x3xf32>) dimensions = [1]
    %m = linalg.map {math.absf} ins(%b : tensor<4x3xf32>) outs(%e : tensor<4x3xf32>)
    return %m : tensor<4x3xf32>"""
    y = result("(%x: tensor<3x4xf32>) -> tensor<4x3xf32>", body, x)
    wanted = np.abs((2.0 * x.T.astype(np.float64)).prod(axis=1, keepdims=True)) * np.ones((1, 3))
    np.testing.assert_allclose(y, wanted, rtol=1e-14)


def test_integer_matmul_is_exact_and_wraps() -> None:
    a, b = RNG.integers(-128, 128, (5, 70)).astype(np.int8), RNG.integers(-128, 128, (70, 3)).astype(np.int8)
    body = """
    %z = arith.constant 0 : i32
    %e = tensor.empty() : tensor<5x3xi32>
    %f = linalg.fill ins(%z : i32) outs(%e : tensor<5x3xi32>) -> tensor<5x3xi32>
    %y = linalg.matmul ins(%a, %b : tensor<5x70xi8>, tensor<70x3xi8>)
        outs(%f : tensor<5x3xi32>) -> tensor<5x3xi32>
    return %y : tensor<5x3xi32>"""
    y = result("(%a: tensor<5x70xi8>, %b: tensor<70x3xi8>) -> tensor<5x3xi32>", body, a, b)
    np.testing.assert_array_equal(y, a.astype(np.int32) @ b.astype(np.int32))
    big = np.full((1, 3, 1), 2**62, np.int64)
    wrapped = contraction._contract_integers(big.reshape(1, 1, 3), big, np.zeros((1, 1, 1), np.int64))
    assert int(wrapped[0, 0, 0]) == (3 * 2**124 + 2**63) % 2**64 - 2**63


def test_large_spaces_are_cut_without_changing_results(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"func.func @main{ARGMAX_SIGNATURE} {{\n{ARGMAX}\n}}"
    matmul = """
    func.func @main(%a: tensor<9x7xf32>, %b: tensor<7x5xf32>, %c: tensor<9x5xf32>) -> tensor<9x5xf32> {
      %y = linalg.matmul ins(%a, %b : tensor<9x7xf32>, tensor<7x5xf32>)
          outs(%c : tensor<9x5xf32>) -> tensor<9x5xf32>
      return %y : tensor<9x5xf32>
    }"""
    cases = [(text, [rand(5, 13)]), (matmul, [rand(9, 7), rand(7, 5), rand(9, 5)])]
    whole = [reference(parse_module(t), inputs) for t, inputs in cases]
    monkeypatch.setattr(structured, "_LARGEST", 20)
    for (t, inputs), wanted in zip(cases, whole, strict=True):
        for got, want in zip(reference(parse_module(t), inputs), wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-14)


def test_divergent_branches_in_a_body() -> None:
    """Elements take different branches; a read out of range in a branch not taken does no harm."""
    body = """
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %x, %c0 : tensor<?xf32>
    %e = tensor.empty() : tensor<6xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
        outs(%e : tensor<6xf32>) {
    ^bb0(%o: f32):
      %i = linalg.index 0 : index
      %in = arith.cmpi slt, %i, %n : index
      %v = scf.if %in -> (f32) {
        %1 = tensor.extract %x[%i] : tensor<?xf32>
        scf.yield %1 : f32
      } else {
        scf.yield %zero : f32
      }
      linalg.yield %v : f32
    } -> tensor<6xf32>
    return %y : tensor<6xf32>"""
    y = result("(%x: tensor<?xf32>) -> tensor<6xf32>", body, np.array([5, 6, 7, 8], np.float32))
    np.testing.assert_array_equal(y, [5, 6, 7, 8, 0, 0])
    nothing = result("(%x: tensor<?xf32>) -> tensor<6xf32>", body, np.zeros(0, np.float32))
    np.testing.assert_array_equal(nothing, np.zeros(6))


def test_sizes_that_disagree_are_a_violation() -> None:
    text = """
    func.func @main(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>, %c: tensor<?x?xf32>) -> tensor<?x?xf32> {
      %y = linalg.matmul ins(%a, %b : tensor<?x?xf32>, tensor<?x?xf32>)
          outs(%c : tensor<?x?xf32>) -> tensor<?x?xf32>
      return %y : tensor<?x?xf32>
    }"""
    with pytest.raises(Violation, match="iteration dimension 2 is 4 and, by operand 1, 5"):
        reference(parse_module(text), [rand(2, 4), rand(5, 3), rand(2, 3)])


def test_pack_and_unpack_are_inverse() -> None:
    x = rand(5, 6)
    body = """
    %pad = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<3x3x2x2xf32>
    %p = linalg.pack %x padding_value(%pad
        : f32) outer_dims_perm = [1, 0] inner_dims_pos = [0, 1] inner_tiles = [2, 2]
        into %e : tensor<5x6xf32> -> tensor<3x3x2x2xf32>
    %u0 = tensor.empty() : tensor<5x6xf32>
    %u = linalg.unpack %p outer_dims_perm = [1, 0] inner_dims_pos = [0, 1] inner_tiles = [2, 2]
        into %u0 : tensor<3x3x2x2xf32> -> tensor<5x6xf32>
    return %p, %u : tensor<3x3x2x2xf32>, tensor<5x6xf32>"""
    p, u = results("(%x: tensor<5x6xf32>) -> (tensor<3x3x2x2xf32>, tensor<5x6xf32>)", body, x)
    np.testing.assert_array_equal(u, x)
    padded = np.pad(x, ((0, 1), (0, 0)))
    np.testing.assert_array_equal(p, padded.reshape(3, 2, 3, 2).transpose(2, 0, 1, 3))


def test_batch_contraction_with_shared_batch_dimensions_in_the_field() -> None:
    """Attention-like contraction: batch, rows, columns and sum in unusual places, against a plain sum of
    products.
    """
    maps = """
    #a = affine_map<(b, i, j, k) -> (i, b, k)>
    #b = affine_map<(b, i, j, k) -> (k, j, b)>
    #c = affine_map<(b, i, j, k) -> (j, b, i)>"""
    body = """
    ^bb0(%p: f32, %q: f32, %o: f32):
      %1 = arith.mulf %p, %q : f32
      %2 = arith.addf %1, %o : f32
      linalg.yield %2 : f32"""
    slow = body.replace("arith.mulf %p, %q : f32", "arith.mulf %p, %q : f32\n %3 = arith.negf %1 : f32").replace(
        "arith.addf %1, %o", "arith.subf %o, %3"
    )
    template = """
    func.func @main(%a: tensor<3x2x5xf32>, %b: tensor<5x4x2xf32>, %c: tensor<4x2x3xf32>)
        -> tensor<4x2x3xf32> {{
      %y = linalg.generic {{indexing_maps = [#a, #b, #c],
                           iterator_types = ["parallel", "parallel", "parallel", "reduction"]}}
          ins(%a, %b : tensor<3x2x5xf32>, tensor<5x4x2xf32>) outs(%c : tensor<4x2x3xf32>) {{ {body}
      }} -> tensor<4x2x3xf32>
      return %y : tensor<4x2x3xf32>
    }}"""
    modules = [parse_module(maps + template.format(body=b)) for b in (body, slow)]
    assert equal_in_field(*modules) is None
    a, b, c = rand(3, 2, 5), rand(5, 4, 2), rand(4, 2, 3)
    (y,) = reference(modules[0], [a, b, c])
    wanted = np.einsum("ibk,kjb->jbi", a.astype(np.float64), b.astype(np.float64)) + c
    np.testing.assert_allclose(y, wanted, rtol=1e-12)


def test_unknown_operations_are_refused_with_their_place() -> None:
    text = "func.func @main(%x: f32) -> f32 {\n %v = vector.broadcast %x : f32 to vector<4xf32>\n"
    text += " return %x : f32\n}"
    with pytest.raises(UnsupportedError, match=r"-:2:7: vector.broadcast has no reference semantics"):
        reference(parse_module(text), [np.float32(1)])  # type: ignore[list-item]


@pytest.mark.parametrize(("combiner", "start"), [("maximumf", "0xFF800000"), ("minimumf", "2.0"), ("addf", "2.0")])
def test_a_reduction_of_nothing_is_where_it_starts(combiner: str, start: str) -> None:
    text = f"""
    func.func @main(%x: tensor<3x?xf32>) -> tensor<3xf32> {{
      %s = arith.constant {start} : f32
      %e = tensor.empty() : tensor<3xf32>
      %i = linalg.fill ins(%s : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
      %r = linalg.reduce {{ arith.{combiner} }} ins(%x : tensor<3x?xf32>) outs(%i : tensor<3xf32>) dimensions = [1]
      return %r : tensor<3xf32>
    }}"""
    module, nothing = parse_module(text), np.zeros((3, 0), np.float32)
    wanted = np.full(3, -np.inf if start.startswith("0x") else 2.0)
    np.testing.assert_array_equal(reference(module, [nothing])[0], wanted)
    value, bound = reference_with_bound(module, [nothing])[0]
    np.testing.assert_array_equal(value, wanted)
    assert not bound.any()
    assert equal_in_field(module, module, shapes=[(3, 0)]) is None
