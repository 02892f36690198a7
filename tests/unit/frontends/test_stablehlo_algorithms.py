"""Operations that stand for algorithms: transforms, systems of equations, decompositions, orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.frontends.stablehlo import load_stablehlo
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.program import Program
from stratagem.runtime.errors import UnsupportedError

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(4)


def program(body: str, arguments: str, result: str) -> Program:
    return load_stablehlo(f"func.func public @main({arguments}) -> {result} {{\n{body}\n}}")


def numbers(*shape: int) -> Array:
    return (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)


def transform(kind: str, x: Array, lengths: list[int], result: str) -> Array:
    shape = "x".join(map(str, x.shape))
    taken = f"tensor<{shape}x{'complex<f32>' if np.iscomplexobj(x) else 'f32'}>"
    body = f"%y = stablehlo.fft %x, type = {kind}, length = {lengths} : ({taken}) -> {result}\nreturn %y : {result}"
    return emulate(program(body, f"%x: {taken}", result), [x])[0]


@pytest.mark.parametrize("length", [1, 2, 13, 33, 37, 66, 257])
def test_transforms_of_every_kind_of_length(length: int) -> None:
    """Short, prime, with small factors, with a larger prime factor, and a prime that becomes a convolution."""
    x = numbers(2, length)
    got = transform("FFT", x, [length], f"tensor<2x{length}xcomplex<f32>>")
    scale = np.abs(x).sum()
    np.testing.assert_allclose(got, np.fft.fft(x), atol=1e-6 * scale)
    back = transform("IFFT", x, [length], f"tensor<2x{length}xcomplex<f32>>")
    np.testing.assert_allclose(back, np.fft.ifft(x), atol=1e-6 * scale / length)


@pytest.mark.parametrize("length", [1, 2, 9, 10])
def test_transforms_of_real_numbers(length: int) -> None:
    x, half = RANDOM.standard_normal((3, length)).astype(np.float32), length // 2 + 1
    got = transform("RFFT", x, [length], f"tensor<3x{half}xcomplex<f32>>")
    np.testing.assert_allclose(got, np.fft.rfft(x), atol=1e-5)
    spectrum = numbers(3, half)
    back = transform("IRFFT", spectrum, [length], f"tensor<3x{length}xf32>")
    np.testing.assert_allclose(back, np.fft.irfft(spectrum, length), atol=1e-5)


def test_transforms_along_several_dimensions() -> None:
    x = numbers(2, 3, 5)
    got = transform("FFT", x, [2, 3, 5], "tensor<2x3x5xcomplex<f32>>")
    np.testing.assert_allclose(got, np.fft.fftn(x), atol=1e-5)
    assert transform("FFT", numbers(0, 4), [4], "tensor<0x4xcomplex<f32>>").shape == (0, 4)


def test_transforms_of_free_sizes_are_refused() -> None:
    kind = "tensor<?x4xcomplex<f32>>"
    body = f"%y = stablehlo.fft %x, type = FFT, length = [4] : ({kind}) -> {kind}\nreturn %y : {kind}"
    with pytest.raises(UnsupportedError, match=r"stablehlo.fft is not supported\n.*fixed sizes"):
        program(body, f"%x: {kind}", kind)


@pytest.mark.parametrize("on_left", [True, False])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("op", ["NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"])
def test_triangular_systems(on_left: bool, lower: bool, op: str) -> None:
    a = numbers(2, 3, 3) + 3 * np.eye(3, dtype=np.complex64)
    b = numbers(2, 3, 2) if on_left else numbers(2, 2, 3)
    kinds = [f"tensor<{'x'.join(map(str, v.shape))}xcomplex<f32>>" for v in (a, b)]
    flags = f"left_side = {str(on_left).lower()}, lower = {str(lower).lower()}, unit_diagonal = false"
    body = f"""%x = "stablehlo.triangular_solve"(%a, %b) <{{{flags}, transpose_a = #stablehlo<transpose {op}>}}>
      : ({kinds[0]}, {kinds[1]}) -> {kinds[1]}
    return %x : {kinds[1]}"""
    x = emulate(program(body, f"%a: {kinds[0]}, %b: {kinds[1]}", kinds[1]), [a, b])[0]
    triangle = np.tril(a) if lower else np.triu(a)
    applied = {"NO_TRANSPOSE": triangle, "TRANSPOSE": triangle.mT, "ADJOINT": triangle.mT.conj()}[op]
    np.testing.assert_allclose(applied @ x if on_left else x @ applied, b, atol=1e-4)


def test_the_other_triangle_is_not_read_and_a_unit_diagonal_neither() -> None:
    a = np.array([[np.nan, np.inf], [2, np.nan]], np.float32)
    body = """%x = "stablehlo.triangular_solve"(%a, %b) <{left_side = true, lower = true, unit_diagonal = true,
      transpose_a = #stablehlo<transpose NO_TRANSPOSE>}> : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x1xf32>
    return %x : tensor<2x1xf32>"""
    built = program(body, "%a: tensor<2x2xf32>, %b: tensor<2x1xf32>", "tensor<2x1xf32>")
    assert emulate(built, [a, np.array([[1], [5]], np.float32)])[0].tolist() == [[1], [3]]


@pytest.mark.parametrize("size", [1, 5])
def test_cholesky(size: int) -> None:
    root = RANDOM.standard_normal((size, size))
    a = (root @ root.T + size * np.eye(size)).astype(np.float32)
    kind = f"tensor<{size}x{size}xf32>"
    for lower in ("true", "false"):
        body = f"%x = stablehlo.cholesky %a, lower = {lower} : {kind}\nreturn %x : {kind}"
        factor = emulate(program(body, f"%a: {kind}", kind), [a])[0]
        product = factor @ factor.T if lower == "true" else factor.T @ factor
        np.testing.assert_allclose(product, a, 1e-4, 1e-4)


def test_a_matrix_that_is_not_positive_definite_has_no_factor() -> None:
    kind = "tensor<2x2xf32>"
    body = f"%x = stablehlo.cholesky %a, lower = true : {kind}\nreturn %x : {kind}"
    assert np.isnan(emulate(program(body, f"%a: {kind}", kind), [-np.eye(2, dtype=np.float32)])[0][1, 1])


def sorted_by(test: str) -> Program:
    body = f"""%r:2 = "stablehlo.sort"(%x, %y) <{{dimension = 0 : i64, is_stable = true}}> ({{
    ^bb0(%a: tensor<i32>, %b: tensor<i32>, %c: tensor<f32>, %d: tensor<f32>):
      %l = stablehlo.compare LT, %a, %b : (tensor<i32>, tensor<i32>) -> tensor<i1>
      %e = stablehlo.compare EQ, %a, %b : (tensor<i32>, tensor<i32>) -> tensor<i1>
      %g = stablehlo.compare GT, %c, %d : (tensor<f32>, tensor<f32>) -> tensor<i1>
      {test}
      stablehlo.return %t : tensor<i1>
    }}) : (tensor<7xi32>, tensor<7xf32>) -> (tensor<7xi32>, tensor<7xf32>)
    return %r#0, %r#1 : tensor<7xi32>, tensor<7xf32>"""
    return program(body, "%x: tensor<7xi32>, %y: tensor<7xf32>", "(tensor<7xi32>, tensor<7xf32>)")


@pytest.mark.parametrize("both", ["%e, %g", "%g, %e"])
@pytest.mark.parametrize("either", ["%l, %m", "%m, %l"])
def test_sorts_by_one_key_and_then_another(both: str, either: str) -> None:
    built = sorted_by(f"%m = stablehlo.and {both} : tensor<i1>\n%t = stablehlo.or {either} : tensor<i1>")
    keys, values = np.array([2, 1, 2, 0, 1, 1, 2], np.int32), np.arange(7, dtype=np.float32)
    got = emulate(built, [keys, values])
    assert got[0].tolist() == [0, 1, 1, 1, 2, 2, 2] and got[1].tolist() == [3, 5, 4, 1, 6, 2, 0]


@pytest.mark.parametrize("test", ["%t = stablehlo.or %l, %g : tensor<i1>", "%t = stablehlo.and %e, %g : tensor<i1>"])
def test_comparators_that_are_no_order_are_refused(test: str) -> None:
    with pytest.raises(UnsupportedError, match=r"comparator that is no lexicographic order"):
        sorted_by(test)
