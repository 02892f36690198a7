"""Kernels without reductions: element types, broadcasts, transposes, index arithmetic, sizes around a vector."""

from __future__ import annotations

import numpy as np
import pytest

from tests.run.cpu.harness import Kernels, this_machine
from tests.run.cpu.kernels import shape_text, structured

KINDS = {
    "f32": np.float32,
    "f64": np.float64,
    "f16": np.float16,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
}


@pytest.mark.parametrize("dtype", sorted(KINDS))
@pytest.mark.parametrize("vector_bytes", [64, 16])
def test_sum_of_a_matrix_and_a_row_at_any_size(dtype: str, vector_bytes: int) -> None:
    add = "arith.addf" if dtype[0] == "f" else "arith.addi"
    body = f"%r0 = {add} %x0, %x1 : {dtype}\nlinalg.yield %r0 : {dtype}"
    maps = ["(i,j)->(i,j)", "(i,j)->(j)", "(i,j)->(i,j)"]
    matrix, row = shape_text((None, None), dtype), shape_text((None,), dtype)
    kernels = Kernels(structured([matrix, row], matrix, maps, "pp", body), this_machine(vector_bytes))
    random = np.random.default_rng(0)
    for m, n in [(1, 1), (3, 15), (2, 16), (5, 17), (7, 129), (0, 5), (4, 0)]:
        a = (random.standard_normal((m, n)) * 40).astype(KINDS[dtype])
        b = (random.standard_normal(n) * 40).astype(KINDS[dtype])
        got = kernels.guarded("k", a, b, np.zeros((m, n), KINDS[dtype]))[0]
        assert (got == a + b).all(), (m, n)


@pytest.mark.parametrize("operation", ["divsi", "remsi", "divui", "remui"])
@pytest.mark.parametrize("dtype", ["i32", "i64"])
def test_division_of_integers_does_not_trap_in_lanes_beyond_the_end(operation: str, dtype: str) -> None:
    body = f"%r0 = arith.{operation} %x0, %x1 : {dtype}\nlinalg.yield %r0 : {dtype}"
    matrix, row = shape_text((None, None), dtype), shape_text((None,), dtype)
    kernels = Kernels(structured([matrix, row], matrix, ["(i,j)->(i,j)", "(i,j)->(j)", "(i,j)->(i,j)"], "pp", body))
    wanted = np.floor_divide if operation.startswith("div") else np.remainder
    for m, n in [(1, 1), (3, 2), (5, 17), (2, 16)]:
        a, b = np.arange(m * n, dtype=KINDS[dtype]).reshape(m, n) * 7, np.arange(1, n + 1, dtype=KINDS[dtype])
        assert (kernels.guarded("k", a, b, np.zeros_like(a))[0] == wanted(a, b)).all(), (m, n)


@pytest.mark.parametrize("dtype", ["i8", "i16", "i32", "i64"])
@pytest.mark.parametrize("operation", ["divsi", "remsi", "divui", "remui"])
def test_integer_division_at_any_size(dtype: str, operation: str) -> None:
    body = f"%r0 = arith.{operation} %x0, %x1 : {dtype}\nlinalg.yield %r0 : {dtype}"
    maps = ["(i)->(i)", "(i)->(i)", "(i)->(i)"]
    kernels = Kernels(structured([f"?x{dtype}", f"?x{dtype}"], f"?x{dtype}", maps, "p", body))
    kind = np.dtype(KINDS[dtype])
    random = np.random.default_rng(4)
    for n in (1, 5, 63, 65, 131):
        a, b = random.integers(-100, 100, n).astype(kind), random.integers(1, 20, n).astype(kind)
        x, y = (a.view(f"u{kind.name}"), b.view(f"u{kind.name}")) if operation.endswith("ui") else (a, b)
        want = x // y if operation == "divui" else x % y if operation == "remui" else np.fmod(x, y)
        if operation == "divsi":
            want = (np.abs(x.astype(np.int64)) // y * np.sign(x)).astype(kind)
        got = kernels.guarded("k", a, b, np.zeros(n, kind))[0]
        assert (got == want.view(kind)).all(), n


def test_truth_values_are_bytes() -> None:
    maps = ["(i)->(i)", "(i)->(i)"]
    body = "%c = arith.constant 0.5 : f32\n%t = arith.cmpf ogt, %x0, %c : f32\nlinalg.yield %t : i1"
    compare = structured(["?xf32"], "?xi1", maps, "p", body, name="compare")
    body = "%u = arith.extui %x0 : i1 to i32\n%v = arith.sitofp %u : i32 to f32\nlinalg.yield %v : f32"
    count = structured(["?xi1"], "?xf32", maps, "p", body, name="count")
    kernels = Kernels(compare + "\n" + count)
    x = np.random.default_rng(1).random(77).astype(np.float32)
    truth = kernels.guarded("compare", x, np.zeros(77, np.bool_))[0]
    assert (truth == (x > 0.5)).all()
    assert set(truth.view(np.uint8).tolist()) == {0, 1}
    assert (kernels.guarded("count", truth, np.zeros(77, np.float32))[0] == (x > 0.5)).all()


@pytest.mark.parametrize("order", [(1, 0), (0, 2, 1), (2, 0, 1), (0, 2, 3, 1), (0, 3, 1, 2)])
@pytest.mark.parametrize("dtype", ["f32", "i8", "f64"])
def test_transposes(order: tuple[int, ...], dtype: str) -> None:
    shape = (3, 37, 18, 33)[-len(order) :]
    x = (np.random.default_rng(2).standard_normal(shape) * 50).astype(KINDS[dtype])
    loops = "(" + ",".join(f"d{i}" for i in range(len(shape))) + ")"
    source = "(" + ",".join(f"d{order.index(i)}" for i in range(len(shape))) + ")"
    result = x.transpose(order)
    maps = [f"{loops}->{source}", f"{loops}->{loops}"]
    text = structured(
        [shape_text(shape, dtype)],
        shape_text(result.shape, dtype),
        maps,
        "p" * len(shape),
        f"linalg.yield %x0 : {dtype}",
    )
    assert (Kernels(text).guarded("k", x, np.zeros(result.shape, x.dtype))[0] == result).all()


@pytest.mark.parametrize("rows", [16, 17, 19, 20, 31])
@pytest.mark.parametrize("columns", [16, 18, 20, 35, 48])
def test_edges_of_turned_squares(rows: int, columns: int) -> None:
    """Whole squares of 16 lanes, and less than a quarter of one, a quarter and more along either side or both."""
    maps = ["(i,j)->(j,i)", "(i,j)->(i,j)", "(i,j)->(i,j)"]
    body = "%n = arith.subf %x0, %x1 : f32\nlinalg.yield %n : f32"
    shapes = [f"{columns}x{rows}xf32", f"{rows}x{columns}xf32"]
    text = structured(shapes, f"{rows}x{columns}xf32", maps, "pp", body)
    random = np.random.default_rng(rows)
    x = random.standard_normal((columns, rows)).astype(np.float32)
    y = random.standard_normal((rows, columns)).astype(np.float32)
    (got,) = Kernels(text).guarded("k", x, y, np.zeros((rows, columns), np.float32))
    np.testing.assert_array_equal(got, x.T - y)


def test_body_that_reads_loop_counters() -> None:
    body = (
        "%i = linalg.index 0 : index\n%j = linalg.index 1 : index\n%c = arith.cmpi sge, %i, %j : index\n"
        "%z = arith.constant 0.0 : f32\n%t = arith.select %c, %x0, %z : f32\nlinalg.yield %t : f32"
    )
    text = structured(["?x?xf32"], "?x?xf32", ["(i,j)->(i,j)"] * 2, "pp", body)
    x = np.random.default_rng(3).standard_normal((21, 35)).astype(np.float32)
    assert (Kernels(text).guarded("k", x, np.zeros_like(x))[0] == np.tril(x)).all()


def test_indexing_with_a_division_takes_the_plain_path() -> None:
    text = structured(["5xf32"], "10xf32", ["(i)->(i floordiv 2)", "(i)->(i)"], "p", "linalg.yield %x0 : f32")
    x = np.arange(5, dtype=np.float32)
    assert (Kernels(text).guarded("k", x, np.zeros(10, np.float32))[0] == np.repeat(x, 2)).all()


def test_gather_reads_by_computed_index() -> None:
    text = """func.func private @k(%t: tensor<11x7xf32>, %i: tensor<6xi64>, %o: tensor<6x7xf32> {device.dest})
        -> tensor<6x7xf32> {
      %r = linalg.generic {indexing_maps = [affine_map<(a,b)->(a)>, affine_map<(a,b)->(a,b)>],
          iterator_types = ["parallel", "parallel"]}
        ins(%i : tensor<6xi64>) outs(%o : tensor<6x7xf32>) {
      ^bb0(%n: i64, %s: f32):
        %row = arith.index_cast %n : i64 to index
        %col = linalg.index 1 : index
        %v = tensor.extract %t[%row, %col] : tensor<11x7xf32>
        linalg.yield %v : f32
      } -> tensor<6x7xf32>
      return %r : tensor<6x7xf32>
    }"""
    table = np.random.default_rng(4).standard_normal((11, 7)).astype(np.float32)
    rows = np.array([3, 0, 10, 3, 7, 1])
    assert (Kernels(text).guarded("k", table, rows, np.zeros((6, 7), np.float32))[0] == table[rows]).all()


def test_sums_of_gathered_rows() -> None:
    text = """func.func private @k(%t: tensor<11x37xf32>, %i: tensor<5x3xi64>, %o: tensor<5x37xf32> {device.dest})
        -> tensor<5x37xf32> {
      %z = arith.constant 0.0 : f32
      %f = linalg.fill ins(%z : f32) outs(%o : tensor<5x37xf32>) -> tensor<5x37xf32>
      %r = linalg.generic {indexing_maps = [affine_map<(a,n,b)->(a,n)>, affine_map<(a,n,b)->(a,b)>],
          iterator_types = ["parallel", "reduction", "parallel"]}
        ins(%i : tensor<5x3xi64>) outs(%f : tensor<5x37xf32>) {
      ^bb0(%n: i64, %s: f32):
        %row = arith.index_cast %n : i64 to index
        %col = linalg.index 2 : index
        %v = tensor.extract %t[%row, %col] : tensor<11x37xf32>
        %sum = arith.addf %s, %v : f32
        linalg.yield %sum : f32
      } -> tensor<5x37xf32>
      return %r : tensor<5x37xf32>
    }"""
    random = np.random.default_rng(5)
    table, rows = random.standard_normal((11, 37)).astype(np.float32), random.integers(0, 11, (5, 3))
    got = Kernels(text).guarded("k", table, rows, np.zeros((5, 37), np.float32))[0]
    assert np.allclose(got, table[rows].astype(np.float64).sum(1), rtol=0, atol=1e-5)
