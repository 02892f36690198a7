"""Elementary functions over the whole f32 range: errors within the checker's table, special values exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.backends.cpu.elementary.expand_math import FORMULAS
from stratagem.compiler.backends.cpu.math_accuracy import MAX_ULP_F32, max_ulp
from tests.run.cpu.harness import Array, Kernels, this_machine
from tests.run.cpu.kernels import structured

NAMES = sorted(name.removeprefix("math.") for name in FORMULAS)
REFERENCES: dict[str, Any] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
}


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    return elementary_kernels()


def elementary_kernels() -> Kernels:
    """A kernel for every function, of its name."""
    maps = ["(i)->(i)", "(i)->(i)"]
    texts = [
        structured(["?xf32"], "?xf32", maps, "p", f"%y = math.{n} %x0 : f32\nlinalg.yield %y : f32", name=n)
        for n in NAMES
    ]
    return Kernels("\n".join(texts))


def samples(step: int) -> Array:
    """Every `step`-th bit pattern of f32, and denser samples where models compute."""
    patterns = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    random = np.random.default_rng(0)
    dense = [random.uniform(a, b, 20000) for a, b in ((-20, 20), (-1.5, 1.5), (0.5, 2), (-110, 90))]
    with np.errstate(invalid="ignore"):  # signalling NaNs among the patterns
        return np.concatenate([patterns, *(d.astype(np.float32) for d in dense)])


@pytest.mark.parametrize("name", NAMES)
def test_error_is_within_the_table(kernels: Kernels, name: str) -> None:
    check_error(kernels, name, samples(40009)[::7] if name == "erf" else samples(5003))


def check_error(kernels: Kernels, name: str, x: Array) -> None:
    """No result is farther from the function's value than the table says; infinities and NaN are where they belong."""
    got = kernels.guarded(name, x, np.zeros_like(x))[0]
    with np.errstate(all="ignore"):
        exact = REFERENCES[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
        unit = np.spacing(np.maximum(np.abs(rounded), np.float32(2.0**-126))).astype(np.float64)
        error = np.abs(got.astype(np.float64) - exact) / unit
    finite = np.isfinite(rounded) & np.isfinite(got)
    assert (np.isnan(got) == np.isnan(rounded)).all()
    assert error[finite].max() <= max_ulp(name, "f32")
    edge = np.isinf(rounded) != np.isinf(got)  # the last value before overflow may round either way
    assert (np.abs(exact[edge]) >= np.finfo(np.float32).max * (1 - 2.0**-22)).all()


@pytest.mark.parametrize("name", NAMES)
def test_special_values(kernels: Kernels, name: str) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, -3.4e38], np.float32)
    got = kernels.guarded(name, x, np.zeros_like(x))[0]
    with np.errstate(all="ignore"):
        exact = REFERENCES[name](x.astype(np.float64)).astype(np.float32)
    special = ~np.isfinite(exact)
    assert np.array_equal(got[special], exact[special], equal_nan=True)
    assert np.isfinite(got[~special]).all()


@pytest.mark.parametrize("exponent, power", [("2.0", 2), ("3.0", 3), ("-1.0", -1), ("2.5", 2.5), ("0.5", 0.5)])
def test_powers(exponent: str, power: float) -> None:
    body = f"%e = arith.constant {exponent} : f32\n%y = math.powf %x0, %e : f32\nlinalg.yield %y : f32"
    text = structured(["?xf32"], "?xf32", ["(i)->(i)"] * 2, "p", body)
    x = np.linspace(0.01, 30, 77, dtype=np.float32)
    got = Kernels(text).guarded("k", x, np.zeros_like(x))[0]
    assert np.allclose(got, x.astype(np.float64) ** power, rtol=4 * 2.0**-24, atol=0)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f64"])
def test_other_types(dtype: str) -> None:
    import ml_dtypes

    kind = {"f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16), "f64": np.dtype(np.float64)}[dtype]
    body = f"%y = math.exp %x0 : {dtype}\n%w = math.erf %y : {dtype}\nlinalg.yield %w : {dtype}"
    text = structured([f"?x{dtype}"], f"?x{dtype}", ["(i)->(i)"] * 2, "p", body)
    x = np.linspace(-5, 1, 45).astype(kind)
    got = Kernels(text, this_machine(16)).guarded("k", x, np.zeros_like(x))[0].astype(np.float64)
    exact = REFERENCES["erf"](np.exp(x.astype(np.float64)))
    unit = {"f16": 2.0**-11, "bf16": 2.0**-8, "f64": 2.0**-50}[dtype]
    assert (np.abs(got - exact) <= 1.01 * unit * np.abs(exact)).all()


@pytest.mark.parametrize("vector_bits", [128, 512])
@pytest.mark.parametrize("name", ["expm1", "log1p"])
def test_f64_near_zero(name: str, vector_bits: int) -> None:
    body = f"%y = math.{name} %x0 : f64\nlinalg.yield %y : f64"
    kernels = Kernels(
        structured(["?xf64"], "?xf64", ["(i)->(i)"] * 2, "p", body, name=name), this_machine(vector_bits // 8)
    )
    x = np.concatenate([np.geomspace(1e-300, 0.5, 45), -np.geomspace(1e-300, 0.5, 45), [0.0, 3.0]])
    got, exact = kernels.guarded(name, x, np.zeros_like(x))[0], REFERENCES[name](x)
    assert (np.abs(got - exact) <= max_ulp(name, "f64") * np.spacing(np.abs(exact))).all()


def test_the_table_covers_every_formula() -> None:
    assert set(NAMES) <= set(MAX_ULP_F32)


def test_a_kernel_may_be_called_like_a_library_function() -> None:
    body = "%y = math.exp %x0 : f64\nlinalg.yield %y : f64"
    kernels = Kernels(structured(["?xf64"], "?xf64", ["(i)->(i)"] * 2, "p", body, name="exp"))
    x = np.linspace(-3, 3, 9)
    assert np.allclose(kernels.guarded("exp", x, np.zeros(9))[0], np.exp(x), rtol=1e-15)
