"""Special functions against PyTorch's own in float64, or mpmath's, where PyTorch is the less exact one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import mpmath
import torch

from stratagem.compiler.frontends.torch_ops import rules

aten = torch.ops.aten
ODD = [0.0, -0.0, math.inf, -math.inf, math.nan]


def points(low: float, high: float) -> torch.Tensor:
    return torch.cat([torch.linspace(low, high, 997, dtype=torch.float64), torch.tensor(ODD, dtype=torch.float64)])


def agree(operator: Any, *operands: Any, relative: float = 1e-10, absolute: float = 1e-10) -> None:
    found, wanted = rules()[operator](*operands), operator(*operands)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, relative, absolute)


@pytest.mark.parametrize(
    ("operator", "low", "high"),
    [
        (aten.special_i0e.default, -90, 90),
        (aten.special_i1e.default, -90, 90),
        (aten.i0.default, -60, 60),
        (aten.special_scaled_modified_bessel_k0.default, -1, 40),
        (aten.special_scaled_modified_bessel_k1.default, -1, 40),
        (aten.special_spherical_bessel_j0.default, -30, 30),
        (aten.lgamma.default, -20.3, 60),
        (aten.digamma.default, -20.3, 60),
        (aten.special_erfcx.default, -5, 50),
        (aten.erfc.default, -6, 6),
        (aten.special_ndtri.default, -0.1, 1.1),
        (aten.erfinv.default, -1.1, 1.1),
    ],
)
def test_functions_of_one_number(operator: Any, low: float, high: float) -> None:
    agree(operator, points(low, high), relative=1e-9)


@pytest.mark.parametrize(
    ("operator", "exact", "low"),
    [
        (aten.special_bessel_j0.default, lambda x: mpmath.besselj(0, x), -40),
        (aten.special_bessel_j1.default, lambda x: mpmath.besselj(1, x), -40),
        (aten.special_bessel_y0.default, lambda x: mpmath.bessely(0, x), 0.01),
        (aten.special_bessel_y1.default, lambda x: mpmath.bessely(1, x), 0.01),
        (aten.special_airy_ai.default, mpmath.airyai, -30),
    ],
)
def test_functions_that_swing(operator: Any, exact: Any, low: float) -> None:
    x = torch.linspace(low, 40, 211, dtype=torch.float64)
    wanted = [float(exact(mpmath.mpf(v))) for v in x.tolist()]
    np.testing.assert_allclose(rules()[operator](x), wanted, 1e-7, 1e-10)
    odd = torch.tensor(ODD, dtype=torch.float64)
    np.testing.assert_array_equal(rules()[operator](odd), operator(odd))


@pytest.mark.parametrize("order", [0, 1, 2, 4])
def test_polygamma(order: int) -> None:
    x = torch.linspace(-6.3, 30, 96, dtype=torch.float64)
    np.testing.assert_allclose(rules()[aten.polygamma.default](order, x), torch.special.polygamma(order, x), 1e-9)


def test_zeta_below_zero_is_defined_for_whole_orders_only() -> None:
    s = torch.tensor([2.0, 3.0, 2.5, 1.0, 0.5, 4.0], dtype=torch.float64)
    q = torch.tensor([-1.25, 0.5, -0.5, 2.0, 2.0, -3.0], dtype=torch.float64)
    agree(aten.special_zeta.default, s, q)


def test_incomplete_gamma_functions_at_the_edges() -> None:
    a = torch.tensor([0.0, 0.0, 1.0, math.inf, 1.0, math.inf, -1.0, 3.0, 50.0], dtype=torch.float64)
    x = torch.tensor([0.0, 1.0, 0.0, 1.0, math.inf, math.inf, 1.0, 2.5, 61.0], dtype=torch.float64)
    agree(aten.igamma.default, a, x)
    agree(aten.igammac.default, a, x)


def test_results_have_the_type_of_the_operands() -> None:
    rule = rules()[aten.lgamma.default]
    assert rule(torch.ones(3, dtype=torch.float16)).dtype is torch.float16
    assert rule(torch.ones(3, dtype=torch.int32)).dtype is torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_parts_of_floats(dtype: torch.dtype) -> None:
    x = torch.tensor([*ODD, 1.0, -3.7, 1e-40, 3e38, 0.5, 1e-38], dtype=dtype)
    fraction, exponent = rules()[aten.frexp.Tensor](x)
    wanted = torch.frexp(x)
    np.testing.assert_array_equal(fraction, wanted.mantissa)
    np.testing.assert_array_equal(exponent, wanted.exponent)
    np.testing.assert_array_equal(rules()[aten.nextafter.default](x, x.flip(0)), torch.nextafter(x, x.flip(0)))


def test_running_reductions_with_infinities_and_nan() -> None:
    x = torch.tensor([1.0, -math.inf, 3.0, math.inf, 3.0, math.nan, 2.0])
    for operator in (aten.cummax.default, aten.cummin.default):
        for found, wanted in zip(rules()[operator](x, 0), operator(x, 0), strict=True):
            np.testing.assert_array_equal(found, wanted)
    low = torch.tensor([-math.inf, -math.inf, 0.0, 1.0, math.inf, math.inf])
    np.testing.assert_allclose(rules()[aten.logcumsumexp.default](low, 0), torch.logcumsumexp(low, 0), 1e-6)


@pytest.mark.parametrize("name", ["chebyshev_polynomial_t", "shifted_chebyshev_polynomial_w", "hermite_polynomial_he"])
def test_polynomials_of_orders_that_are_data(name: str) -> None:
    x = torch.tensor([-3.0, -1.0, -0.7, 0.0, 0.3, 1.0, 1.5, 4.0], dtype=torch.float64).unsqueeze(-1)
    n = torch.tensor([-2.0, 0.0, 1.0, 2.0, 3.7, 8.0, 21.0], dtype=torch.float64)
    agree(getattr(aten, f"special_{name}").default, x, n, relative=1e-9)
    agree(getattr(aten, f"special_{name}").n_scalar, x, 5)
    agree(getattr(aten, f"special_{name}").x_scalar, 0.4, n)


def test_orders_beyond_the_loop_are_nan() -> None:
    n = torch.tensor([1024.0, 1025.0], dtype=torch.float64)
    found = rules()[aten.special_legendre_polynomial_p.default](torch.full((2,), 0.3, dtype=torch.float64), n)
    assert found.isnan().tolist() == [False, True]
