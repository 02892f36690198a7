"""Reads constants out of MLIR attributes as numpy arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
from torch_mlir import ir

from stratagem.compiler.dense import dense_array
from stratagem.runtime.errors import UnsupportedError

Array = np.ndarray[Any, Any]

NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32),
    "i16": np.dtype(np.int16),
    "i8": np.dtype(np.int8),
    "i1": np.dtype(np.bool_),
    "index": np.dtype(np.int64),
}
"""MLIR element type -> numpy dtype of the same bytes; signedness is the operation's business in MLIR."""

_RESOURCE = re.compile(r"dense_resource<([^>]+)>")
_BLOB = re.compile(r'^\s*("?)([\w.$-]+)\1: "0x([0-9A-Fa-f]*)",?$', re.M)
_BLOB_HEADER = 4  # a resource's bytes are preceded by their alignment as a 32-bit word


def element_dtype(element_type: Any, where: str) -> np.dtype[Any]:
    """The numpy dtype of an MLIR element type; UnsupportedError names `where` if there is none."""
    name = re.sub(r"^[us]i", "i", str(element_type))
    if name not in NUMPY_DTYPES:
        raise UnsupportedError(
            f"{where} has element type {element_type}, which is not supported",
            hint=f"supported: {', '.join(NUMPY_DTYPES)}",
        )
    return NUMPY_DTYPES[name]


def static_shape(tensor_type: Any) -> list[int]:
    """The sizes of a tensor type without free dimensions."""
    return [tensor_type.get_dim_size(i) for i in range(tensor_type.rank)]


def resource_key(attribute: Any) -> str | None:
    """The key of a `dense_resource<key>` attribute, None for other attributes."""
    match = _RESOURCE.match(str(attribute)) if type(attribute) is ir.Attribute else None
    return match[1] if match else None


def splat_value(attribute: Any) -> Any | None:
    """The one element attribute of a constant whose elements are all equal, else None."""
    return attribute.get_splat_value() if hasattr(attribute, "is_splat") and attribute.is_splat else None


class ConstantReader:
    """Turns constant attributes of one module into arrays.

    The bindings cannot hand out the bytes of a `dense_resource`. A front end that made the resources passes
    the arrays as `resources` (key -> array, no copy); other keys are read once from the module's printed
    form.
    """

    def __init__(self, module: Any, resources: Mapping[str, Array] | None = None) -> None:
        self._module, self._known = module, dict(resources or {})
        self._printed: dict[str, str] | None = None

    def read(self, attribute: Any) -> Array:
        """The constant as an array of its static shape; raises UnsupportedError for element types without a
        dtype.
        """
        tensor_type = ir.RankedTensorType(attribute.type)
        dtype, shape = element_dtype(tensor_type.element_type, "a constant"), static_shape(tensor_type)
        key = resource_key(attribute)
        if key is not None:
            return self._resource(key, dtype, shape)
        return dense_array(attribute, dtype)

    def key(self, attribute: Any) -> str | None:
        """The key under which the front end passed this constant's array, if it did."""
        key = resource_key(attribute)
        return key if key in self._known else None

    def _resource(self, key: str, dtype: np.dtype[Any], shape: list[int]) -> Array:
        if key in self._known:
            return self._known[key].reshape(-1).view(dtype).reshape(shape)
        if self._printed is None:
            text = str(self._module.operation.get_asm(assume_verified=True)).rpartition("{-#")[2]
            self._printed = {m[2]: m[3] for m in _BLOB.finditer(text)}
        data = bytes.fromhex(self._printed[key])[_BLOB_HEADER:]
        return np.frombuffer(data, dtype).reshape(shape)
