"""JAX programs as machine code: complex numbers at the border, constants as results, branches in bodies, files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

import stratagem as sg
from stratagem.compiler.frontends.jax import load_jax
from stratagem.runtime.errors import RuntimeInputError
from tests.run.cpu.harness import runtime

RANDOM = np.random.default_rng(6)


def compiled(function: Any, *arguments: Any, dynamic: Any = None) -> Any:
    runtime()
    return sg.compile(load_jax(function, arguments, dynamic), target="cpu")


def check(function: Any, *arguments: Any) -> None:
    got = compiled(function, *arguments).executable(*arguments)
    for one, wanted in zip(got, jax.tree_util.tree_leaves(function(*arguments)), strict=True):
        assert one.dtype == wanted.dtype
        np.testing.assert_allclose(one, np.asarray(wanted), 1e-5, 1e-5)


def numbers(*shape: int) -> Any:
    return (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize("shape", [(), (1,), (3, 7), (0, 2)])
def test_complex_numbers(shape: tuple[int, ...]) -> None:
    check(lambda x, y: (x * y, jnp.exp(x) / (y + 3), abs(x), x), numbers(*shape), numbers(*shape))


def test_complex_numbers_of_free_sizes_from_a_file(tmp_path: Path) -> None:
    x = numbers(3, 2)
    path = compiled(lambda a: a * a + 1j, x, dynamic=({0: "n"},)).save(tmp_path / "square.sgm")
    with zipfile.ZipFile(path) as archive:
        assert archive.read("code/entry.tsv").decode().splitlines()[1] == "input\targ0\tf32\t3\t?\t2\t2"
    program = sg.load(path)
    for rows in (1, 5):
        y = numbers(rows, 2)
        np.testing.assert_allclose(program(y)[0], y * y + 1j, 1e-5, 1e-5)
        np.testing.assert_allclose(program(np.asfortranarray(y))[0], y * y + 1j, 1e-5, 1e-5)
    with pytest.raises(RuntimeInputError, match="takes complex64"):
        program(np.zeros((1, 2), np.float32))


def test_results_that_are_constants_belong_to_the_caller() -> None:
    def function(x: Any, p: Any) -> Any:
        table = jnp.array([[1.0, 2.0], [3.0, 4.0]], x.dtype)
        return table, jax.lax.cond(p, lambda: table, lambda: x), jnp.zeros((3,), jnp.int32)

    x = np.ones((2, 2), np.float32)
    program = compiled(function, x, np.array(True)).executable
    for choice in (True, False, True):
        first, second, third = program(x, np.array(choice))
        assert first.tolist() == [[1, 2], [3, 4]] and third.tolist() == [0, 0, 0]
        assert second.tolist() == ([[1, 2], [3, 4]] if choice else x.tolist())
        first[:] = 0  # the next call must not see it
        second[:] = 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "complex64"])
def test_joined_tensors(dtype: str) -> None:
    parts = [jnp.asarray(RANDOM.standard_normal((2, n)) * 9, dtype) for n in (1, 3, 2)]
    values = [np.asarray(p) for p in parts]
    (got,) = compiled(lambda *a: jnp.concatenate(a, axis=1) + a[0], *values).executable(*values)
    wanted = np.asarray(jnp.concatenate(parts, axis=1) + parts[0])
    assert got.dtype == wanted.dtype and (got == wanted).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_elements_at_a_place_that_data_decide(dtype: str) -> None:
    x = np.asarray(jnp.asarray([3.0, -1.5, 7.25, 0.0, 9.0]).astype(dtype))
    program = compiled(lambda a, i: a.at[i].get(mode="fill", fill_value=1), x, np.int32(2)).executable
    for place, wanted in ((2, x[2]), (-1, x[4]), (5, 1), (0, x[0])):
        (got,) = program(x, np.array(place, np.int32))
        assert got.dtype == x.dtype and got == wanted


@pytest.mark.parametrize(("source", "target"), [("float16", "int16"), ("bfloat16", "uint16"), ("int16", "bfloat16")])
def test_bits_of_narrow_floats(source: str, target: str) -> None:
    x = np.asarray(jnp.asarray([0.0, -1.5, 200.0, -0.0], "float32").astype(source))
    (got,) = compiled(lambda a: jax.lax.bitcast_convert_type(a, target), x).executable(x)
    assert got.tobytes() == x.tobytes() and got.dtype == target


def test_updates_at_places_that_data_decide() -> None:
    x, part = np.arange(12, dtype=np.float32).reshape(4, 3), np.full((2, 1), -1, np.float32)
    for at in (-5, 0, 2, 9):
        check(lambda a, b, i: jax.lax.dynamic_update_slice(a, b, (i, i)), x, part, np.int32(at))
