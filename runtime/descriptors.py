"""MLIR memref descriptors: numpy arrays handed to compiled code, and buffers handed back.

A descriptor of rank r is 3 + 2r machine words: allocated pointer, aligned pointer, offset in elements, sizes, strides
in elements (MLIR, "LLVM IR Target", C-compatible wrapper emission).
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def words(rank: int) -> int:
    """Machine words in a descriptor of this rank."""
    return 3 + 2 * rank


def fill(target: Array, array: Array) -> None:
    """Writes the descriptor of a C-contiguous array into `target` (int64 words)."""
    address = array.ctypes.data
    target[0] = target[1] = address
    target[2] = 0
    stride = 1
    for axis in range(array.ndim - 1, -1, -1):
        target[3 + axis] = array.shape[axis]
        target[3 + array.ndim + axis] = stride
        stride *= array.shape[axis]


def view(source: Array, rank: int, dtype: np.dtype[Any], owner: Any = None) -> Array:
    """The array that a descriptor describes, sharing its memory and keeping `owner` alive."""
    shape = tuple(int(n) for n in source[3 : 3 + rank])
    strides = tuple(int(n) * dtype.itemsize for n in source[3 + rank : 3 + 2 * rank])
    if 0 in shape:
        return np.empty(shape, dtype)
    extent = sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + dtype.itemsize
    address = int(source[1]) + int(source[2]) * dtype.itemsize
    memory = (ctypes.c_char * extent).from_address(address)
    if owner is not None:
        weakref.finalize(memory, owner)
    buffer: Any = memory
    return np.ndarray(shape, dtype, buffer, 0, strides)


def adopt(source: Array, rank: int, dtype: np.dtype[Any], release: Callable[[int], None]) -> Array:
    """Like `view`, for a buffer that compiled code allocated: `release(pointer)` runs when the array goes away."""
    pointer = int(source[0])
    result = view(source, rank, dtype, lambda: release(pointer))
    if result.base is None:
        release(pointer)
    return result
