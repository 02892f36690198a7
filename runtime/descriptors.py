"""MLIR memref descriptors: numpy arrays handed to compiled code, and buffers handed back.

A descriptor of rank r is 3 + 2r machine words: allocated pointer, aligned pointer, offset in elements, sizes, strides
in elements (MLIR, "LLVM IR Target", C-compatible wrapper emission).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def words(rank: int) -> int:
    """Machine words in a descriptor of this rank."""
    return 3 + 2 * rank


def address_of(array: Array) -> int:
    """Where the array's first element lies."""
    return int(array.__array_interface__["data"][0])  # cheaper than array.ctypes, which makes objects


def fill(target: Array, array: Array) -> int:
    """Writes the descriptor of a C-contiguous array into `target` (int64 words); returns the array's address."""
    address, shape = address_of(array), array.shape
    target[: 3 + 2 * len(shape)] = (address, address, 0, *shape, *_dense_strides(shape))
    return address


@lru_cache(maxsize=1024)
def _dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a C-contiguous array, in elements."""
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def view(source: Array, rank: int, dtype: np.dtype[Any]) -> Array:
    """The array that a descriptor describes, sharing its memory."""
    return _view(_Memory(source.tolist(), rank, dtype), dtype)


def adopt(source: Array, rank: int, dtype: np.dtype[Any], release: Callable[[int], None]) -> Array:
    """Like `view`, for a buffer that compiled code allocated: `release(pointer)` runs when the array goes away."""
    return _view(_Memory(source.tolist(), rank, dtype, release), dtype)


@cache
def _type_name(dtype: np.dtype[Any]) -> str:
    """What numpy's array interface calls an element type; those of other packages are bytes to it."""
    return dtype.str if dtype.isbuiltin == 1 else f"|V{dtype.itemsize}"


def _view(memory: _Memory, dtype: np.dtype[Any]) -> Array:
    if 0 in memory.shape:
        return np.empty(memory.shape, dtype)
    array = np.asarray(memory)
    return array if array.dtype == dtype else array.view(dtype)  # types that numpy's interface has no name for


class _Memory:
    """What a descriptor describes, in numpy's array interface; gives an owned buffer back at its end."""

    __slots__ = ("__array_interface__", "_pointer", "_release", "shape")

    def __init__(
        self, words: list[int], rank: int, dtype: np.dtype[Any], release: Callable[[int], None] | None = None
    ) -> None:
        self._pointer, self._release, item = words[0], release, dtype.itemsize
        self.shape = tuple(words[3 : 3 + rank])
        self.__array_interface__ = {
            "version": 3,
            "shape": self.shape,
            "typestr": _type_name(dtype),
            "data": (words[1] + words[2] * item, False),
            "strides": tuple([n * item for n in words[3 + rank : 3 + 2 * rank]]),
        }

    def __del__(self) -> None:
        if self._release is not None:
            self._release(self._pointer)
