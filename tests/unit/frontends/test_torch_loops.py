"""Loops that count become loops of the program; others are refused. Factorizations are such loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from stratagem.compiler.frontends.torch import load_torch
from stratagem.compiler.interpreter.api import emulate
from stratagem.runtime.errors import UnsupportedError

Function = Callable[..., Any]


def agree(function: Function, *args: Any, tolerance: float = 1e-4) -> None:
    wanted = torch.utils._pytree.tree_leaves(function(*(a.clone() for a in args)))
    found = emulate(load_torch(function, args), [a.numpy() for a in args])
    for one, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, want.numpy(), tolerance, tolerance)


def matrices(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def positive(*shape: int) -> Any:
    a = matrices(*shape)
    return a @ a.mT + 0.5 * torch.eye(shape[-1])


def repeated(steps: Any, first: int = 0) -> Function:
    def function(x: Any) -> Any:
        def unfinished(k: Any, y: Any) -> Any:
            return k < steps(y)

        def step(k: Any, y: Any) -> Any:
            return k + 1, y * 2 + k

        return torch.while_loop(unfinished, step, (torch.full((), first, dtype=torch.int64), x.clone()))[1]

    return function


def test_a_loop_that_counts_is_one_loop_of_the_program() -> None:
    program = load_torch(repeated(lambda _: 5), (torch.arange(3.0),))
    assert str(program.module).count("scf.for") == 1
    agree(repeated(lambda _: 5), torch.arange(3.0))


@pytest.mark.parametrize("function", [repeated(lambda y: y.sum()), repeated(lambda _: 5, first=1)])
def test_other_loops_are_refused(function: Function) -> None:
    with pytest.raises(UnsupportedError, match="while_loop is not supported"):
        load_torch(function, (torch.ones(3),))


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (2, 7, 7)])
def test_factors_of_square_matrices(shape: tuple[int, ...]) -> None:
    a = positive(*shape)
    agree(lambda a: torch.linalg.cholesky(a), a)
    agree(lambda a: torch.linalg.cholesky(a, upper=True), a)
    agree(lambda a: torch.linalg.lu_factor(a - 3 * torch.eye(a.shape[-1]).flip(0)), a)
    agree(lambda a: torch.linalg.eigvalsh(a), a)
    agree(lambda a: torch.linalg.det(a), a)


def test_the_failing_minor_is_named_and_what_follows_is_nan() -> None:
    a = torch.diag(torch.tensor([1.0, 4.0, -1.0, 2.0]))
    factor, info = emulate(load_torch(lambda a: torch.linalg.cholesky_ex(a), (a,)), [a.numpy()])
    assert info == 3
    assert np.isnan(factor[2, 2])
    np.testing.assert_array_equal(factor[:2, :2], [[1, 0], [0, 2]])


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (2, 4, 4), (1, 6)])
def test_factors_of_any_matrix(shape: tuple[int, ...]) -> None:
    a = matrices(*shape)
    agree(lambda a: torch.linalg.qr(a), a)
    agree(lambda a: torch.geqrf(a), a)
    agree(lambda a: torch.linalg.lu_factor_ex(a), a)
    agree(lambda a: torch.linalg.svdvals(a), a)
    agree(lambda a: torch.linalg.pinv(a), a, tolerance=1e-3)


@pytest.mark.parametrize("n", [1, 5])
def test_of_a_symmetric_matrix_the_lower_triangle_is_read(n: int) -> None:
    a = matrices(n, n)  # not symmetric: what stands above the diagonal does not count
    agree(lambda a: torch.linalg.pinv(a, hermitian=True), a, tolerance=1e-3)
    agree(lambda a: torch.linalg.eigvalsh(a), a, tolerance=1e-4)
    agree(lambda a: torch.linalg.eigvalsh(a, UPLO="U"), a, tolerance=1e-4)


def test_singular_vectors_give_the_matrix_back() -> None:
    a = matrices(4, 3) @ torch.diag(torch.tensor([1.0, 2.0, 0.0]))  # of rank 2
    u, s, vh = emulate(load_torch(lambda a: torch.linalg.svd(a, full_matrices=True), (a,)), [a.numpy()])
    np.testing.assert_allclose(u[:, :3] * s @ vh, a, atol=1e-5)
    np.testing.assert_allclose(u.T @ u, np.eye(4), atol=1e-5)


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_triangular_systems_read_one_triangle(upper: bool, left: bool) -> None:
    a, b = positive(2, 5, 5), matrices(5, 5)
    agree(lambda a, b: torch.linalg.solve_triangular(a, b, upper=upper, left=left), a, b, tolerance=1e-3)


def test_a_singular_matrix_has_its_pivot_named() -> None:
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    found = emulate(load_torch(lambda a: torch.linalg.lu_factor_ex(a), (a,)), [a.numpy()])
    wanted = torch.linalg.lu_factor_ex(a)
    for one, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, want.numpy())


def test_systems_and_inverses() -> None:
    a, b = matrices(2, 5, 5) + 3 * torch.eye(5), matrices(2, 5, 3)
    agree(lambda a, b: torch.linalg.solve(a, b), a, b)
    agree(lambda a: torch.linalg.inv(a), a)
    agree(lambda a: torch.linalg.slogdet(a), a)
    agree(lambda a: torch.linalg.matrix_exp(a / 3), a)
