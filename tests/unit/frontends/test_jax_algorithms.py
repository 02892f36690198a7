"""Linear algebra that JAX writes as calls of LAPACK, and its approximate selections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
from jax import lax

from stratagem.compiler.frontends.jax import load_jax
from stratagem.compiler.interpreter.api import emulate
from stratagem.runtime.errors import UnsupportedError

RANDOM = np.random.default_rng(5)
SHAPES = [(1, 1), (3, 3), (4, 2), (2, 2, 3)]


def values(*shape: int, dtype: str = "float32") -> Any:
    return (RANDOM.standard_normal(shape) + (1j * RANDOM.standard_normal(shape) if dtype[0] == "c" else 0)).astype(
        dtype
    )


def check(function: Any, *arguments: Any) -> None:
    got = emulate(load_jax(function, arguments), arguments)
    for one, wanted in zip(got, jax.tree_util.tree_leaves(function(*arguments)), strict=True):
        np.testing.assert_allclose(one, np.asarray(wanted), 1e-4, 1e-4)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_lu(shape: tuple[int, ...], dtype: str) -> None:
    check(lax.linalg.lu, values(*shape, dtype=dtype))


def test_lu_of_a_singular_matrix() -> None:
    check(lax.linalg.lu, np.array([[0, 1], [0, 2]], np.float32))


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_qr(shape: tuple[int, ...], dtype: str) -> None:
    check(lambda a: lax.linalg.qr(a, full_matrices=False), values(*shape, dtype=dtype))


def test_qr_of_zeros_reflects_nothing() -> None:
    check(lax.linalg.qr, np.zeros((3, 2), np.float32))


def test_cholesky_marks_the_first_column_that_fails() -> None:
    a = np.diag(np.array([1, -1, 1], np.float32))
    check(lambda x: lax.linalg.cholesky(x, symmetrize_input=False), a)
    check(lambda x: lax.linalg.cholesky(x), a @ a.T)


@pytest.mark.parametrize("select", [lax.approx_max_k, lax.approx_min_k])
def test_approximate_selections_are_exact(select: Any) -> None:
    check(lambda x: select(x, 3), values(2, 41))
    check(lambda x: select(x, 1, reduction_dimension=0), values(5, 2))


@pytest.mark.parametrize("algorithm", [lax.RandomAlgorithm.RNG_THREE_FRY, lax.RandomAlgorithm.RNG_PHILOX])
def test_random_bits_are_jaxs(algorithm: Any) -> None:
    key = np.array([1, 2, 3, 4], np.uint32)
    check(lambda k: lax.rng_bit_generator(k, (3, 5), dtype=np.uint32, algorithm=algorithm), key)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 6), (2, 7)])
def test_windows_over_free_sizes(rows: int, columns: int) -> None:
    def pools(x: Any) -> Any:
        return (
            lax.reduce_window(x, -np.inf, lax.max, (1, 3, 2), (1, 2, 2), ((0, 0), (1, 1), (0, 1))),
            lax.reduce_window(
                x, 0.0, lax.add, (1, 1, 2), (1, 1, 1), ((0, 0), (0, 0), (2, 0)), window_dilation=(1, 1, 2)
            ),
        )

    program = load_jax(pools, (values(2, 5, 4),), ({0: "b", 1: "n"},))
    x = values(rows, columns, 4)
    for got, wanted in zip(emulate(program, [x]), pools(x), strict=True):
        np.testing.assert_allclose(got, np.asarray(wanted), 1e-5, 1e-5)


def test_windows_with_holes_between_the_elements_need_fixed_sizes() -> None:
    def spread(x: Any) -> Any:
        return lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 1), "VALID", base_dilation=(1, 2))

    with pytest.raises(UnsupportedError, match=r"reduce_window is not supported\n.*fixed sizes"):
        load_jax(spread, (values(2, 5),), ({0: "b"},))


def test_eigenvalues_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"jax eigh is not supported"):
        load_jax(lambda a: lax.linalg.eigh(a), (values(3, 3),))
