"""Complex numbers: planes inside, parts at the border; and what has no form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.frontends.landing import land
from stratagem.compiler.frontends.stablehlo import load_stablehlo
from stratagem.compiler.interpreter.api import compare, emulate, reference, reference_with_bound
from stratagem.compiler.ir import parse_module, walk
from stratagem.compiler.program import Program
from stratagem.compiler.signatures import signature_of
from stratagem.runtime.errors import UnsupportedError

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(3)
C3 = "tensor<3xcomplex<f32>>"


def numbers(*shape: int) -> Array:
    return (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)


def program(body: str, arguments: str, result: str) -> Program:
    return load_stablehlo(f"func.func public @main({arguments}) -> {result} {{\n{body}\n}}")


def test_arithmetic_and_the_signature() -> None:
    body = f"""%p = stablehlo.multiply %x, %y : {C3}
      %e = stablehlo.exponential %p : {C3}
      %a = stablehlo.abs %e : ({C3}) -> tensor<3xf32>
      return %e, %a : {C3}, tensor<3xf32>"""
    built = program(body, f"%x: {C3}, %y: {C3}", f"({C3}, tensor<3xf32>)")
    signature = signature_of(built.module)
    assert [(s.dtype, s.shape) for s in (*signature.inputs, *signature.outputs)] == [
        ("c64", (3,)),
        ("c64", (3,)),
        ("c64", (3,)),
        ("f32", (3,)),
    ]
    x, y = numbers(3), numbers(3)
    got = emulate(built, [x, y])
    assert [g.dtype for g in got] == [np.complex64, np.float32]
    np.testing.assert_allclose(got[0], np.exp(x * y), 1e-5)
    np.testing.assert_allclose(got[1], np.abs(np.exp(x * y)), 1e-5)
    assert reference(built, [x, y])[0].dtype == np.complex128
    verdict = compare(got[0], *reference_with_bound(built, [x, y])[0])
    assert verdict and verdict.total == 6
    assert not compare(got[0] * 2, *reference_with_bound(built, [x, y])[0])


def test_nothing_complex_is_left() -> None:
    built = program(f"%p = stablehlo.sine %x : {C3}\nreturn %p : {C3}", f"%x: {C3}", C3)
    assert "complex<" not in "".join(str(r.type) for op in walk(built.module.operation) for r in op.results)


@pytest.mark.parametrize("rows", [1, 5])
def test_free_sizes(rows: int) -> None:
    kind = "tensor<?x2xcomplex<f32>>"
    built = program(f"%p = stablehlo.add %x, %x : {kind}\nreturn %p : {kind}", f"%x: {kind}", kind)
    x = numbers(rows, 2)
    np.testing.assert_array_equal(emulate(built, [x])[0], x + x)


def test_single_numbers_constants_and_empty_tensors() -> None:
    scalar = "tensor<complex<f64>>"
    constant = f"%c = stablehlo.constant dense<(1.5, -2.0)> : {scalar}"
    body = f"{constant}\n%p = stablehlo.add %x, %c : {scalar}\nreturn %p : {scalar}"
    got = emulate(program(body, f"%x: {scalar}", scalar), [np.array(2j)])[0]
    assert got.shape == () and got.dtype == np.complex128 and got == 1.5
    empty = "tensor<0xcomplex<f32>>"
    built = program(f"%p = stablehlo.add %x, %x : {empty}\nreturn %p : {empty}", f"%x: {empty}", empty)
    assert emulate(built, [numbers(0)])[0].shape == (0,)


def test_large_constants_become_parameters() -> None:
    values = ", ".join(f"({i}.0, -{i}.5)" for i in range(67))
    kind = "tensor<67xcomplex<f32>>"
    body = f"%c = stablehlo.constant dense<[{values}]> : {kind}\n%p = stablehlo.add %x, %c : {kind}\nreturn %p : {kind}"
    built = program(body, f"%x: {kind}", kind)
    assert [a.shape for a in built.parameters.values()] == [(67,), (67,)]
    np.testing.assert_array_equal(
        emulate(built, [np.zeros(67, np.complex64)])[0], np.arange(67) - 1j * (np.arange(67) + 0.5)
    )


def test_loops_branches_and_windows_carry_both_planes() -> None:
    one = "tensor<complex<f32>>"
    body = f"""%n = stablehlo.constant dense<3> : tensor<i32>
      %zero = stablehlo.constant dense<0> : tensor<i32>
      %step = stablehlo.constant dense<1> : tensor<i32>
      %r:2 = stablehlo.while(%i = %zero, %v = %x) : tensor<i32>, {C3}
        cond {{
          %c = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %c : tensor<i1>
        }} do {{
          %j = stablehlo.add %i, %step : tensor<i32>
          %w = stablehlo.multiply %v, %x : {C3}
          stablehlo.return %j, %w : tensor<i32>, {C3}
        }}
      %pad = stablehlo.constant dense<(0.5, 1.0)> : {one}
      %wide = stablehlo.pad %r#1, %pad, low = [1], high = [2], interior = [1] : ({C3}, {one}) -> tensor<8xcomplex<f32>>
      %big = "stablehlo.if"(%p) ({{ stablehlo.return %wide : tensor<8xcomplex<f32>> }},
        {{ %m = stablehlo.negate %wide : tensor<8xcomplex<f32>>
           stablehlo.return %m : tensor<8xcomplex<f32>> }}) : (tensor<i1>) -> tensor<8xcomplex<f32>>
      return %big : tensor<8xcomplex<f32>>"""
    built = program(body, f"%x: {C3}, %p: tensor<i1>", "tensor<8xcomplex<f32>>")
    x = numbers(3)
    wanted = np.full(8, 0.5 + 1j, np.complex64)
    wanted[1:6:2] = x**4
    for choice, sign in ((True, 1), (False, -1)):
        np.testing.assert_allclose(emulate(built, [x, np.array(choice)])[0], sign * wanted, 1e-5)


def test_regions_with_numbers_of_their_own() -> None:
    """An update that multiplies by a number: 2 + i times what is there, plus what comes."""
    one = "tensor<complex<f32>>"
    body = f"""%i = stablehlo.constant dense<[[2], [0]]> : tensor<2x1xi32>
      %r = "stablehlo.scatter"(%x, %i, %u) <{{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [0],
        scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}}> ({{
      ^bb0(%a: {one}, %b: {one}):
        %c = stablehlo.constant dense<(2.0, 1.0)> : {one}
        %m = stablehlo.multiply %a, %c : {one}
        %s = stablehlo.add %m, %b : {one}
        stablehlo.return %s : {one}
      }}) : ({C3}, tensor<2x1xi32>, tensor<2xcomplex<f32>>) -> {C3}
      return %r : {C3}"""
    x, u = numbers(3), numbers(2)
    wanted = x.copy()
    wanted[[2, 0]] = x[[2, 0]] * (2 + 1j) + u
    built = program(body, f"%x: {C3}, %u: tensor<2xcomplex<f32>>", C3)
    np.testing.assert_allclose(emulate(built, [x, u])[0], wanted, 1e-5)


def test_products_are_products_of_planes() -> None:
    left, right, out = "tensor<3x5xcomplex<f32>>", "tensor<5x2xcomplex<f32>>", "tensor<3x2xcomplex<f32>>"
    body = f"%p = stablehlo.dot %x, %y : ({left}, {right}) -> {out}\nreturn %p : {out}"
    built = program(body, f"%x: {left}, %y: {right}", out)
    x, y = numbers(3, 5), numbers(5, 2)
    np.testing.assert_allclose(emulate(built, [x, y])[0], x @ y, 1e-5, 1e-5)
    assert sum(op.name == "linalg.matmul" for op in walk(built.module.operation)) == 4


def test_what_has_no_form_on_planes_is_refused() -> None:
    text = f"func.func @f(%x: {C3}) -> {C3} {{\n%i = bufferization.alloc_tensor() : {C3}\nreturn %i : {C3}\n}}"
    with pytest.raises(UnsupportedError, match=r"alloc_tensor on complex numbers is not supported"):
        land(parse_module(text), "f", input_names=["x"], output_names=["y"])
