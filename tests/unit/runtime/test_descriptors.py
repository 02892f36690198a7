"""Descriptors of memory: written for arrays, read back as arrays that share it, and given back once."""

from __future__ import annotations

import gc
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from stratagem.runtime.descriptors import address_of, adopt, fill, view, words

TYPES = [np.float32, np.int8, np.bool_, np.uint64, np.complex64, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2]


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 1, 13)])
@pytest.mark.parametrize("kind", TYPES)
def test_a_view_shares_the_memory(kind: Any, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(kind).reshape(shape)
    block = np.zeros(words(array.ndim), np.int64)
    fill(block, array)
    seen = view(block, array.ndim, array.dtype)
    assert (seen.dtype, seen.shape, seen.strides) == (array.dtype, array.shape, array.strides)
    assert address_of(seen) == address_of(array)
    np.testing.assert_array_equal(seen, array)


@pytest.mark.parametrize("shape", [(4, 3), (0, 3)])
def test_an_adopted_buffer_is_given_back_when_its_array_goes(shape: tuple[int, ...]) -> None:
    memory, given = np.zeros(12, np.float32), list[int]()
    block = np.zeros(words(2), np.int64)
    fill(block, memory[: np.prod(shape)].reshape(shape))
    array = adopt(block, 2, memory.dtype, given.append)
    part = array[:1]
    del array
    gc.collect()
    assert given == ([] if 0 not in shape else [address_of(memory)])
    del part
    gc.collect()
    assert given == [address_of(memory)]
