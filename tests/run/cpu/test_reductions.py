"""Reductions along dense and strided directions, with every combining operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.run.cpu.harness import Kernels
from tests.run.cpu.kernels import shape_text, structured

SIZES = [(1, 1), (3, 16), (5, 17), (7, 130), (33, 3), (64, 64)]
FLOATS: dict[str, tuple[str, Any]] = {
    "maximumf": ("0xFF800000", np.max),
    "minimumf": ("0x7F800000", np.min),
    "maxnumf": ("0xFF800000", np.max),
}
WHOLES: dict[str, tuple[str, Any]] = {
    "addi": ("0", np.sum),
    "muli": ("1", np.prod),
    "maxsi": ("-2147483648", np.max),
    "minsi": ("2147483647", np.min),
    "ori": ("0", np.bitwise_or.reduce),
    "andi": ("-1", np.bitwise_and.reduce),
    "xori": ("0", np.bitwise_xor.reduce),
}


def reduction(operation: str, dtype: str, axis: int, fill: str, m: int, n: int) -> str:
    kept, kinds = ("(i,j)->(i)", "pr") if axis == 1 else ("(i,j)->(j)", "rp")
    body = f"%q = arith.{operation} %x0, %s : {dtype}\nlinalg.yield %q : {dtype}"
    out = shape_text((m if axis == 1 else n,), dtype)
    return structured([shape_text((m, n), dtype)], out, ["(i,j)->(i,j)", kept], kinds, body, fill)


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_stay_within_the_rounding_bound(axis: int) -> None:
    for m, n in SIZES:
        x = np.random.default_rng(m + n).standard_normal((m, n)).astype(np.float32)
        out = np.zeros(m if axis == 1 else n, np.float32)
        got = Kernels(reduction("addf", "f32", axis, "0.0", m, n)).guarded("k", x, out)[0]
        exact, length = x.astype(np.float64).sum(axis), x.shape[axis]
        assert (np.abs(got - exact) <= length * 2.0**-24 * np.abs(x).astype(np.float64).sum(axis)).all()


@pytest.mark.parametrize("operation", sorted(FLOATS))
@pytest.mark.parametrize("axis", [0, 1])
def test_extremes_of_floats(operation: str, axis: int) -> None:
    fill, reference = FLOATS[operation]
    x = np.random.default_rng(1).standard_normal((9, 37)).astype(np.float32) - 5
    out = np.zeros(9 if axis == 1 else 37, np.float32)
    got = Kernels(reduction(operation, "f32", axis, fill, 9, 37)).guarded("k", x, out)[0]
    assert (got == reference(x, axis)).all()


@pytest.mark.parametrize("operation", sorted(WHOLES))
@pytest.mark.parametrize("axis", [0, 1])
def test_whole_numbers_are_exact(operation: str, axis: int) -> None:
    fill, reference = WHOLES[operation]
    x = np.random.default_rng(2).integers(-9, 9, (9, 37)).astype(np.int32)
    out = np.zeros(9 if axis == 1 else 37, np.int32)
    got = Kernels(reduction(operation, "i32", axis, fill, 9, 37)).guarded("k", x, out)[0]
    assert (got == reference(x, axis=axis).astype(np.int32)).all()


def test_nan_is_the_largest() -> None:
    x = np.zeros((3, 40), np.float32)
    x[1, 33] = np.nan
    got = Kernels(reduction("maximumf", "f32", 1, "0xFF800000", 3, 40)).guarded("k", x, np.zeros(3, np.float32))[0]
    assert np.isnan(got).tolist() == [False, True, False]


def test_all_elements_to_one() -> None:
    x = np.random.default_rng(3).standard_normal((5, 7, 11)).astype(np.float32)
    body = "%q = arith.addf %x0, %s : f32\nlinalg.yield %q : f32"
    text = structured(["5x7x11xf32"], "f32", ["(i,j,k)->(i,j,k)", "(i,j,k)->()"], "rrr", body, "0.0")
    got = Kernels(text).guarded("k", x, np.zeros((), np.float32))[0]
    assert abs(got - x.astype(np.float64).sum()) <= x.size * 2.0**-24 * np.abs(x).sum()


def test_place_of_the_largest() -> None:
    text = """func.func private @k(
        %x: tensor<?x?xf32>, %v: tensor<?xf32> {device.dest}, %p: tensor<?xi64> {device.dest})
        -> (tensor<?xf32>, tensor<?xi64>) {
      %low = arith.constant 0xFF800000 : f32
      %zero = arith.constant 0 : i64
      %v0 = linalg.fill ins(%low : f32) outs(%v : tensor<?xf32>) -> tensor<?xf32>
      %p0 = linalg.fill ins(%zero : i64) outs(%p : tensor<?xi64>) -> tensor<?xi64>
      %r:2 = linalg.generic {
          indexing_maps = [affine_map<(i,j)->(i,j)>, affine_map<(i,j)->(i)>, affine_map<(i,j)->(i)>],
          iterator_types = ["parallel", "reduction"]}
          ins(%x : tensor<?x?xf32>) outs(%v0, %p0 : tensor<?xf32>, tensor<?xi64>) {
      ^bb0(%a: f32, %best: f32, %at: i64):
        %j = linalg.index 1 : index
        %here = arith.index_cast %j : index to i64
        %more = arith.cmpf ogt, %a, %best : f32
        %b = arith.select %more, %a, %best : f32
        %n = arith.select %more, %here, %at : i64
        linalg.yield %b, %n : f32, i64
      } -> (tensor<?xf32>, tensor<?xi64>)
      return %r#0, %r#1 : tensor<?xf32>, tensor<?xi64>
    }"""
    x = np.random.default_rng(4).standard_normal((7, 45)).astype(np.float32)
    values, places = Kernels(text).guarded("k", x, np.zeros(7, np.float32), np.zeros(7, np.int64), outputs=2)
    assert (values == x.max(1)).all()
    assert (places == x.argmax(1)).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_of_quotients_do_not_trap_in_lanes_beyond_the_end(axis: int) -> None:
    for m, n in SIZES:
        kept, kinds = ("(i,j)->(i)", "pr") if axis == 1 else ("(i,j)->(j)", "rp")
        body = "%d = arith.divsi %x0, %x1 : i32\n%q = arith.addi %d, %s : i32\nlinalg.yield %q : i32"
        inputs, out = [shape_text((m, n), "i32")] * 2, shape_text((m if axis == 1 else n,), "i32")
        kernels = Kernels(structured(inputs, out, ["(i,j)->(i,j)", "(i,j)->(i,j)", kept], kinds, body, "0"))
        a = np.arange(m * n, dtype=np.int32).reshape(m, n)
        b = a % 5 + 1
        got = kernels.guarded("k", a, b, np.zeros(m if axis == 1 else n, np.int32))[0]
        assert (got == (a // b).sum(axis)).all(), (m, n)
