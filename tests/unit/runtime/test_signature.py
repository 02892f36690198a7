"""What goes into a program is checked before it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.runtime.errors import RuntimeInputError
from stratagem.runtime.signature import Signature, TensorSpec, as_parts, from_parts

SIGNATURE = Signature(
    (TensorSpec("x", "f32", (None, 3)), TensorSpec("n", "i64", ())), (TensorSpec("y", "f32", (None, 3)),)
)
X, N = np.zeros((5, 3), np.float32), np.int64(1)


def test_positions_and_names_bind_alike() -> None:
    by_position = SIGNATURE.bind([X, N])
    by_name = SIGNATURE.bind({"n": N, "x": X})
    assert [a.shape for a in by_position] == [a.shape for a in by_name] == [(5, 3), ()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([X], r"got 1 inputs, the program takes 2: x: f32\[\?, 3\]; n: i64\[\]"),
        ({"x": X}, "missing 'n'"),
        ({"x": X, "n": N, "z": N}, "unknown 'z'"),
        ([X.astype(np.float64), N], "input 'x' has dtype float64, the program takes float32"),
        ([X[:, :2], N], r"input 'x' has shape \[5, 2\]"),
        ([X[None], N], r"input 'x' has shape \[1, 5, 3\]"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(RuntimeInputError, match=message):
        SIGNATURE.bind(arguments)


def test_strided_inputs_are_made_contiguous() -> None:
    (x, _) = SIGNATURE.bind([np.zeros((3, 5), np.float32).T, N])
    assert x.flags.c_contiguous


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_signed_and_unsigned_integers_are_different_types(bits: int) -> None:
    spec, largest = TensorSpec("image", f"u{bits}", (2,)), 2**bits - 1
    array = np.array([largest, 0], f"uint{bits}")
    assert spec.check(array).tolist() == [largest, 0]
    with pytest.raises(RuntimeInputError, match=f"has dtype int{bits}, the program takes uint{bits}") as refused:
        spec.check(array.view(f"int{bits}"))
    assert refused.value.hint == f"pass array.astype('uint{bits}')"
    with pytest.raises(RuntimeInputError, match=f"has dtype uint{bits}, the program takes int{bits}"):
        TensorSpec("image", f"i{bits}", (2,)).check(array)


def test_ranks_take_their_parts_in_order() -> None:
    spec = TensorSpec("w", "f32", (2, 3), shard_dim=1)
    whole = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_array_equal(np.concatenate([spec.part(whole, 0), spec.part(whole, 1)], axis=1), whole)


def test_signatures_survive_json() -> None:
    whole = Signature(SIGNATURE.inputs, SIGNATURE.outputs, (TensorSpec("w", "bf16", (4,), 0),))
    assert Signature.from_json(whole.to_json()) == whole


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 2)])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers_and_their_parts(shape: tuple[int, ...], dtype: str) -> None:
    numbers = np.full(shape, 2 - 3j, dtype)
    parts = as_parts(numbers)
    assert parts.shape == (*shape, 2) and parts.dtype.itemsize * 2 == numbers.dtype.itemsize
    np.testing.assert_array_equal(from_parts(parts), numbers)
    np.testing.assert_array_equal(from_parts(np.asfortranarray(parts)), numbers)
    assert not parts.size or np.shares_memory(parts, numbers)


def test_real_numbers_are_no_complex_input() -> None:
    spec = TensorSpec("z", "c64", (2,))
    assert str(spec.stored) == "z: f32[2, 2]" and spec.stored.stored == spec.stored
    with pytest.raises(RuntimeInputError, match="input 'z' has dtype float32, the program takes complex64"):
        spec.check(np.zeros(2, np.float32))
