"""Matrix products of odd sizes, in every storage order and for several register files, within the rounding bound."""

from __future__ import annotations

import numpy as np
import pytest

from tests.run.cpu.harness import Array, Kernels, this_machine
from tests.run.cpu.kernels import matmul, shape_text, structured

SIZES = [
    (1, 1, 1),
    (3, 5, 7),
    (13, 33, 17),
    (2, 300, 31),
    (12, 32, 8),
    (37, 65, 129),
    (100, 1, 50),
    (24, 40, 33),
    (1, 600, 31),
    (3, 521, 13),
]
UNIT = 2.0**-24


def check_product(got: Array, a: Array, b: Array) -> None:
    """|got - exact| <= (K + 2) u sum |a||b|: the bound for any order of summation."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    bound = (a.shape[-1] + 2) * UNIT * (np.abs(a) @ np.abs(b)) + 1e-37
    assert (np.abs(got - a @ b) <= bound).all()


def operands(m: int, n: int, k: int) -> tuple[Array, Array, Array]:
    random = np.random.default_rng(m * 10000 + n * 100 + k)
    a = random.standard_normal((m, k)).astype(np.float32)
    b = random.standard_normal((k, n)).astype(np.float32)
    return a, b, np.full((m, n), np.nan, np.float32)


@pytest.mark.parametrize("vector_bytes, registers", [(64, 32), (32, 16), (16, 16)])
@pytest.mark.parametrize("turned_a", [False, True])
@pytest.mark.parametrize("turned_b", [False, True])
def test_any_size_at_run_time(vector_bytes: int, registers: int, turned_a: bool, turned_b: bool) -> None:
    kernels = Kernels(matmul(None, None, None, turned_a, turned_b), this_machine(vector_bytes, registers))
    for size in SIZES:
        a, b, out = operands(*size)
        stored = [np.ascontiguousarray(x.T) if t else x for x, t in ((a, turned_a), (b, turned_b))]
        check_product(kernels.guarded("k", *stored, out)[0], a, b)


@pytest.mark.parametrize("size", [(3, 5, 7), (37, 65, 129), (49, 40, 33)])
@pytest.mark.parametrize("turned_b", [False, True])
def test_sizes_known_when_compiled(size: tuple[int, int, int], turned_b: bool) -> None:
    a, b, out = operands(*size)
    kernels = Kernels(matmul(*size, turned_b=turned_b))
    check_product(kernels.guarded("k", a, np.ascontiguousarray(b.T) if turned_b else b, out)[0], a, b)


def test_batches_and_a_matrix_vector_product() -> None:
    random = np.random.default_rng(1)
    a = random.standard_normal((3, 17, 33)).astype(np.float32)
    b = random.standard_normal((3, 9, 33)).astype(np.float32)
    loops = "(b,i,j,k)"
    maps = [f"{loops}->(b,i,k)", f"{loops}->(b,j,k)", f"{loops}->(b,i,j)"]
    body = "%p = arith.mulf %x0, %x1 : f32\n%q = arith.addf %p, %s : f32\nlinalg.yield %q : f32"
    text = structured(["3x17x33xf32", "3x9x33xf32"], "3x17x9xf32", maps, "pppr", body, "0.0")
    got = Kernels(text).guarded("k", a, b, np.zeros((3, 17, 9), np.float32))[0]
    check_product(got, a, b.transpose(0, 2, 1))

    text = structured(
        ["17x33xf32", "33xf32"], "17xf32", ["(i,k)->(i,k)", "(i,k)->(k)", "(i,k)->(i)"], "pr", body, "0.0"
    )
    got = Kernels(text).guarded("k", a[0], b[0, 0], np.zeros(17, np.float32))[0]
    check_product(got[:, None], a[0], b[0, 0][:, None])


def test_bytes_are_summed_exactly_in_i32() -> None:
    random = np.random.default_rng(2)
    a = random.integers(-128, 128, (19, 70)).astype(np.int8)
    b = random.integers(-128, 128, (70, 37)).astype(np.int8)
    body = (
        "%u = arith.extsi %x0 : i8 to i32\n%v = arith.extsi %x1 : i8 to i32\n"
        "%p = arith.muli %u, %v : i32\n%q = arith.addi %s, %p : i32\nlinalg.yield %q : i32"
    )
    maps = ["(i,j,k)->(i,k)", "(i,j,k)->(k,j)", "(i,j,k)->(i,j)"]
    kernels = Kernels(structured(["19x70xi8", "70x37xi8"], "19x37xi32", maps, "ppr", body, "0"))
    got = kernels.guarded("k", a, b, np.zeros((19, 37), np.int32))[0]
    assert (got == a.astype(np.int64) @ b.astype(np.int64)).all()


@pytest.mark.parametrize("dtype, unit", [("f16", 2.0**-11), ("bf16", 2.0**-8)])
def test_narrow_floats_are_summed_in_f32(dtype: str, unit: float) -> None:
    import ml_dtypes

    kind = np.dtype(np.float16 if dtype == "f16" else ml_dtypes.bfloat16)
    random = np.random.default_rng(3)
    a, b = random.standard_normal((13, 200)).astype(kind), random.standard_normal((200, 21)).astype(kind)
    body = f"%p = arith.mulf %x0, %x1 : {dtype}\n%q = arith.addf %s, %p : {dtype}\nlinalg.yield %q : {dtype}"
    maps = ["(i,j,k)->(i,k)", "(i,j,k)->(k,j)", "(i,j,k)->(i,j)"]
    shapes = [shape_text((13, 200), dtype), shape_text((200, 21), dtype)]
    kernels = Kernels(structured(shapes, shape_text((13, 21), dtype), maps, "ppr", body, "0.0"))
    got = kernels.guarded("k", a, b, np.zeros((13, 21), kind))[0].astype(np.float64)
    a, b = a.astype(np.float64), b.astype(np.float64)
    exact = a @ b
    # one rounding to the narrow type, and an f32 sum: an accumulator of the narrow type would miss this by far
    bound = unit * np.abs(exact) + 203 * UNIT * (np.abs(a) @ np.abs(b)) * (1 + unit)
    assert (np.abs(got - exact) <= bound).all()
