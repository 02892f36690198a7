"""The numbers in dense elements attributes."""

from __future__ import annotations

import re
from typing import Any

import ml_dtypes
import numpy as np
from torch_mlir import ir

Array = np.ndarray[Any, Any]

_NUMBER = re.compile(r"0x[0-9A-Fa-f]+|[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def dense_array(attribute: Any, dtype: np.dtype[Any]) -> Array:
    """The elements of a dense attribute (not of a resource), in the shape of its type.

    `dtype` is the one of its element type, or that of the other sign: unsigned numbers wrap around.
    """
    shape = tuple(ir.RankedTensorType(attribute.type).shape)
    if dtype == _BFLOAT16:  # Python's buffers have no such format
        return _parse_elements(str(attribute), shape)
    return np.array(ir.DenseElementsAttr(attribute)).astype(dtype, copy=False).reshape(shape)


def _parse_elements(text: str, shape: tuple[int, ...]) -> Array:
    """bfloat16 elements from the attribute's text: hexadecimal bytes, or a nested list of numbers, or one number for
    all.
    """
    elements = text.removeprefix("dense<").rpartition("> : ")[0]
    if elements.startswith('"0x'):
        values = np.frombuffer(bytes.fromhex(elements[3:].rstrip('"')), _BFLOAT16)
    else:
        values = np.array([_number(t) for t in _NUMBER.findall(elements)], _BFLOAT16)
    return np.full(shape, values[0]) if values.size == 1 else values.reshape(shape)


def _number(text: str) -> Any:
    if text.startswith("0x"):  # how MLIR prints infinities and NaN: the bits
        return np.array(int(text, 16), np.uint16).view(_BFLOAT16)
    return float(text)
