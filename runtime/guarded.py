"""Memory between guard zones: what writes past its ends is found out."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
ZONE = 256
"""Bytes on each side: four cache lines, more than any vector store."""
PATTERN = 0xA5
ALIGNMENT = 64


class Guarded:
    """`array`: zeros of a shape and dtype, C order, 64-byte aligned, between two zones of known bytes."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        raw = np.full(size + 2 * ZONE + ALIGNMENT, PATTERN, np.uint8)
        start = ZONE + (-(raw.ctypes.data + ZONE) % ALIGNMENT)
        self._before, self._behind = raw[:start], raw[start + size :]
        inside = raw[start : start + size]
        inside[:] = 0
        self.array: Array = inside.view(dtype).reshape(shape)

    @staticmethod
    def copy_of(array: Array) -> Guarded:
        made = Guarded(array.shape, array.dtype)
        made.array[...] = array
        return made

    def damage(self) -> str:
        """`12 bytes before it` or `1 byte behind it`; empty when both zones are whole."""
        for zone, side in ((self._before, "before"), (self._behind, "behind")):
            count = int(np.count_nonzero(zone != PATTERN))
            if count:
                return f"{count} byte{'s' * (count != 1)} {side} it"
        return ""
