"""The arrays behind a model's tensors: inside the file, beside it, or inline. Large ones are memory maps."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from stratagem.compiler.frontends.constants import Array
from stratagem.compiler.frontends.onnx.wire import EMBEDDED
from stratagem.runtime.errors import ModelError, UnsupportedError

ELEMENT_LIMIT = 2**40
"""Tensors with more elements than this are refused: no machine in reach holds them."""

_T = onnx.TensorProto
NUMPY: dict[int, np.dtype[Any]] = {
    _T.FLOAT: np.dtype(np.float32), _T.DOUBLE: np.dtype(np.float64), _T.FLOAT16: np.dtype(np.float16),
    _T.BFLOAT16: np.dtype(ml_dtypes.bfloat16), _T.BOOL: np.dtype(np.bool_),
    _T.INT8: np.dtype(np.int8), _T.INT16: np.dtype(np.int16), _T.INT32: np.dtype(np.int32),
    _T.INT64: np.dtype(np.int64), _T.UINT8: np.dtype(np.uint8), _T.UINT16: np.dtype(np.uint16),
    _T.UINT32: np.dtype(np.uint32), _T.UINT64: np.dtype(np.uint64),
    _T.FLOAT8E4M3FN: np.dtype(ml_dtypes.float8_e4m3fn), _T.FLOAT8E4M3FNUZ: np.dtype(ml_dtypes.float8_e4m3fnuz),
    _T.FLOAT8E5M2: np.dtype(ml_dtypes.float8_e5m2), _T.FLOAT8E5M2FNUZ: np.dtype(ml_dtypes.float8_e5m2fnuz),
    _T.FLOAT8E8M0: np.dtype(ml_dtypes.float8_e8m0fnu), _T.FLOAT4E2M1: np.dtype(ml_dtypes.float4_e2m1fn),
    _T.FLOAT6E2M3: np.dtype(ml_dtypes.float6_e2m3fn), _T.FLOAT6E3M2: np.dtype(ml_dtypes.float6_e3m2fn),
    _T.INT4: np.dtype(ml_dtypes.int4), _T.UINT4: np.dtype(ml_dtypes.uint4),
    _T.INT2: np.dtype(ml_dtypes.int2), _T.UINT2: np.dtype(ml_dtypes.uint2),
}  # fmt: skip
"""ONNX element type -> numpy dtype, for the types the tensor contract has, and those that it stores in bytes."""

STORED = {
    _T.FLOAT8E4M3FN: "f8E4M3FN", _T.FLOAT8E4M3FNUZ: "f8E4M3FNUZ", _T.FLOAT8E5M2: "f8E5M2",
    _T.FLOAT8E5M2FNUZ: "f8E5M2FNUZ", _T.FLOAT8E8M0: "f8E8M0FNU", _T.FLOAT4E2M1: "f4E2M1FN",
    _T.FLOAT6E2M3: "f6E2M3FN", _T.FLOAT6E3M2: "f6E3M2FN", _T.INT4: "i4", _T.UINT4: "u4", _T.INT2: "i2", _T.UINT2: "u2",
}  # fmt: skip
"""ONNX element type -> the name of a type that a program stores in bytes and converts where it is read and written."""

_PACKED = {
    _T.FLOAT4E2M1: 4, _T.INT4: 4, _T.UINT4: 4, _T.INT2: 2, _T.UINT2: 2, _T.FLOAT6E2M3: 6, _T.FLOAT6E3M2: 6,
}  # fmt: skip
"""Types whose elements share bytes in a model's file -> bits of an element; the first lies in the lowest bits."""


def element_type_name(kind: int) -> str:
    """ONNX's name of an element type, lower case, e.g. `float8e4m3fn`."""
    values = {v: k for k, v in _T.DataType.items()}
    return str(values.get(kind, f"type {kind}")).lower()


def numpy_dtype(kind: int, what: str) -> np.dtype[Any]:
    """The dtype of an ONNX element type; raises UnsupportedError naming `what` for the others (strings,
    float8
    ...).
    """
    if kind not in NUMPY:
        names = ", ".join(element_type_name(k) for k in NUMPY)
        raise UnsupportedError(f"{what} has element type {element_type_name(kind)}", hint=f"supported: {names}")
    return NUMPY[kind]


def checked_count(shape: list[int], what: str) -> int:
    """Number of elements of a shape; raises ModelError when a size is negative or the product is out of
    reach.
    """
    count = 1
    for size in shape:
        if size < 0:
            raise ModelError(f"{what} has size {size} in its shape {shape}")
        count *= size
    if count > ELEMENT_LIMIT:
        raise ModelError(f"{what} of shape {shape} has {count} elements, more than the {ELEMENT_LIMIT} supported")
    return count


@dataclass
class Weights:
    """Reads tensors of one model.

    `data` holds the model file's bytes (embedded tensors point into them), `folder` is where external data
    must lie, None when the model came without a folder. `maps` are the files mapped so far. A `lazy` reader
    leaves bytes at odd addresses where they are; nothing but numpy may then use the arrays.
    """

    data: Array
    folder: Path | None
    source: str
    maps: dict[Path, Array] = field(default_factory=dict)
    lazy: bool = False

    def array(self, tensor: onnx.TensorProto) -> Array:
        """The tensor's values, as a view of the file where they lie in one. Raises ModelError when sizes
        disagree.
        """
        what = f"{self.source}: tensor '{tensor.name}'"
        dtype = numpy_dtype(tensor.data_type, what)
        shape = list(tensor.dims)
        count = checked_count(shape, what)
        size = -(-count * _PACKED[tensor.data_type] // 8) if tensor.data_type in _PACKED else count * dtype.itemsize
        if tensor.data_location == _T.EXTERNAL:
            raw = self._external(tensor, size, what)
        elif tensor.HasField("raw_data"):
            raw = np.frombuffer(tensor.raw_data, np.uint8)
        else:
            return self._typed(tensor, count, shape, what)
        if raw.size != size:
            raise ModelError(f"{what} of shape {shape} and type {dtype} needs {size} bytes, the model holds {raw.size}")
        if tensor.data_type in _PACKED:
            return _unpacked(raw, _PACKED[tensor.data_type], count).view(dtype).reshape(shape)
        return (raw.view(dtype) if self.lazy else aligned_view(raw, dtype)).reshape(shape)

    def locate(self, array: Array) -> tuple[Path, int] | None:
        """The file and offset whose bytes `array` shows, None when it was computed or copied."""
        if not array.flags.c_contiguous:
            return None
        begin = array.ctypes.data
        for path, data in self.maps.items():
            offset = begin - data.ctypes.data
            if offset >= 0 and offset + array.nbytes <= data.size:
                return path, offset
        return None

    def _typed(self, tensor: onnx.TensorProto, count: int, shape: list[int], what: str) -> Array:
        """Values kept as a list of numbers in the message."""
        stored = max(
            len(tensor.float_data),
            len(tensor.int32_data),
            len(tensor.int64_data),
            len(tensor.double_data),
            len(tensor.uint64_data),
        )
        if stored != (-(-count * _PACKED[tensor.data_type] // 8) if tensor.data_type in _PACKED else count):
            raise ModelError(f"{what} of shape {shape} needs {count} values, the model holds {stored}")
        try:
            return np.asarray(onnx.numpy_helper.to_array(tensor)).reshape(shape)
        except (ValueError, TypeError, OverflowError) as error:
            raise ModelError(f"{what} cannot be read: {error}") from None

    def _external(self, tensor: onnx.TensorProto, need: int, what: str) -> Array:
        entries = {e.key: e.value for e in tensor.external_data}
        location = entries.get("location", "")
        if not location:
            raise ModelError(f"{what} lies in an external file without a name", hint="export the model again")
        data = self.data if location == EMBEDDED else self._map(location, what)
        offset, length = _number(entries, "offset", 0, what), _number(entries, "length", need, what)
        if offset + length > data.size:
            name = "the model file" if location == EMBEDDED else location
            raise ModelError(f"{what} claims bytes {offset}..{offset + length} of {name}, which has {data.size}")
        return data[offset : offset + length]

    def _map(self, location: str, what: str) -> Array:
        path = self._resolve(location, what)
        if path not in self.maps:
            self.maps[path] = map_file(path)
        return self.maps[path]

    def _resolve(self, location: str, what: str) -> Path:
        """The external file, which must be a plain file inside the model's folder, links followed."""
        if self.folder is None:
            raise ModelError(
                f"{what} lies in the external file '{location}', but the model was given without a folder",
                hint="pass the model's path, or folder=...",
            )
        if "\0" in location:
            raise ModelError(f"{what} names an external file with a zero byte in its name")
        root, path = self.folder.resolve(), Path(os.path.realpath(self.folder / location))
        if Path(location).is_absolute() or not path.is_relative_to(root):
            raise ModelError(
                f"{what} points outside the model's folder: '{location}'",
                hint=f"external data must lie below {root}",
            )
        if not path.is_file():
            raise ModelError(
                f"{what} needs the file '{location}', which is not in {root}",
                hint="keep the data file beside the model",
            )
        return path


def _unpacked(raw: Array, bits: int, count: int) -> Array:
    """`count` numbers of `bits` bits, each in a byte of its own."""
    places = np.unpackbits(raw, bitorder="little")[: count * bits].reshape(count, bits)
    return np.packbits(places, axis=1, bitorder="little").reshape(count)


def _number(entries: dict[str, str], key: str, default: int, what: str) -> int:
    text = entries.get(key, "")
    if text and (not text.isdecimal() or len(text) > 19):
        raise ModelError(f"{what} has external-data {key} {text!r}, which is not a number of bytes")
    return int(text) if text else default


def map_file(path: Path) -> Array:
    """The file's bytes, mapped read-only; nothing is read yet."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return np.zeros(0, np.uint8)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def aligned_view(raw: Array, dtype: np.dtype[Any]) -> Array:
    """`raw` as elements. Bytes at an odd address (protobuf aligns nothing) are copied, and their pages given
    back.
    """
    if raw.ctypes.data % dtype.itemsize == 0:
        return raw.view(dtype)
    copy = np.frombuffer(raw.tobytes(), dtype)
    _drop_pages(raw)
    return copy


def _drop_pages(raw: Array) -> None:
    """Lets the kernel forget the whole pages of a mapped file under `raw`; they come back when read again."""
    owner: Any = raw
    while isinstance(owner, np.ndarray):
        owner = owner.base
    owner = owner.obj if isinstance(owner, memoryview) else owner
    if not isinstance(owner, mmap.mmap):
        return
    begin = raw.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data
    first, last = -(-begin // mmap.PAGESIZE), (begin + raw.size) // mmap.PAGESIZE
    if last > first:
        owner.madvise(mmap.MADV_DONTNEED, first * mmap.PAGESIZE, (last - first) * mmap.PAGESIZE)
