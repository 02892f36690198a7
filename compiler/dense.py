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
_PARTS = {"complex<f32>": (np.float32, np.complex64), "complex<f64>": (np.float64, np.complex128)}


def dense_array(attribute: Any, dtype: np.dtype[Any]) -> Array:
    """The elements of a dense attribute (not of a resource), in the shape of its type.

    `dtype` is the one of its element type, or that of the other sign: unsigned numbers wrap around.
    """
    shape = tuple(ir.RankedTensorType(attribute.type).shape)
    if dtype == _BFLOAT16:  # Python's buffers have no such format
        return _parse_elements(str(attribute), shape, _BFLOAT16)
    return np.array(ir.DenseElementsAttr(attribute)).astype(dtype, copy=False).reshape(shape)


def complex_array(op: Any) -> Array:
    """The elements of a constant operation with complex elements, as complex64 or complex128.

    The bindings have no form of its attribute: its text is read.
    """
    kind = ir.RankedTensorType(op.results[0].type)
    part, whole = _PARTS[str(kind.element_type)]
    text = op.get_asm(large_elements_limit=1 << 40, use_local_scope=True)
    elements = text.partition("dense<")[2].partition("> : ")[0]
    flat: Array = _parse_elements(f"dense<{elements}> : ", (-1,), np.dtype(part)).view(whole)
    shape = tuple(kind.shape)
    return np.full(shape, flat[0]) if flat.size == 1 else flat.reshape(shape)


def _parse_elements(text: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Float elements from an attribute's text: hexadecimal bytes, a nested list of numbers, or one number for all."""
    elements = text.removeprefix("dense<").rpartition("> : ")[0]
    if elements.startswith('"0x'):
        values = np.frombuffer(bytes.fromhex(elements[3:].rstrip('"')), dtype)
    else:
        values = np.array([_number(t, dtype) for t in _NUMBER.findall(elements)], dtype)
    return np.full(shape, values[0]) if values.size == 1 else values.reshape(shape)


def _number(text: str, dtype: np.dtype[Any]) -> Any:
    if text.startswith("0x"):  # how MLIR prints infinities and NaN: the bits
        return np.array(int(text, 16), f"u{dtype.itemsize}").view(dtype)
    return float(text)
