"""Model parameters: named arrays, memory mapped where they come from a file, never copied into the IR."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from stratagem.runtime.errors import ModelError

SAFETENSORS_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
_NAMES = {dtype: name for name, dtype in SAFETENSORS_DTYPES.items()}
HEADER_LIMIT = 100 * 2**20
VIEWS = "stratagem.views"
"""Key of a file's metadata: JSON, name -> [name of a stored tensor, order of its dimensions, shape of the view]."""


class ParameterStore(Mapping[str, np.ndarray[Any, Any]]):
    """Name -> array, in insertion order, views last. Arrays are used read-only.

    A *view* is a parameter that another one holds in another layout. It is stored once, in memory and in files; reading
    the view gives numpy's view where strides can say it, else a copy.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray[Any, Any]] | None = None) -> None:
        self._arrays: dict[str, np.ndarray[Any, Any]] = dict(arrays or {})
        self._views: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {}

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        if name not in self._views:
            return self._arrays[name]
        source, order, shape = self._views[name]
        return self._arrays[source].transpose(order).reshape(shape)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays or name in self._views

    def __iter__(self) -> Iterator[str]:
        yield from self._arrays
        yield from self._views

    def __len__(self) -> int:
        return len(self._arrays) + len(self._views)

    def add(self, name: str, array: np.ndarray[Any, Any]) -> str:
        """Adds `array` under `name`, or under `name.1`, `name.2` ... when that is taken; returns the name used."""
        unique, n = name, 0
        while unique in self:
            n += 1
            unique = f"{name}.{n}"
        self._arrays[unique] = array
        return unique

    def copy(self) -> ParameterStore:
        """A store of the same arrays, which adds and forgets by itself."""
        other = ParameterStore(self._arrays)
        other._views = dict(self._views)
        return other

    def set_view(self, name: str, source: str, order: Sequence[int], shape: Sequence[int]) -> None:
        """Makes `name` a view: `source` with dimension `order[i]` as its `i`-th, read row by row in `shape`.

        Raises ModelError when `source` is not stored, when `order` and `shape` do not reach each of its elements once,
        and when `name` is stored already with other bytes than the view has.
        """
        held = self._arrays.get(source)
        if held is None or source == name:
            raise ModelError(f"parameter '{name}' is a view of '{source}', which is not stored")
        if any(name == of for of, _, _ in self._views.values()):
            raise ModelError(f"parameter '{name}' cannot become a view: others are views of it")
        if sorted(order) != list(range(held.ndim)) or math.prod(shape) != held.size:
            raise ModelError(
                f"parameter '{name}' {list(shape)} cannot be '{source}' {list(held.shape)} in order {list(order)}"
            )
        before = self.get(name)
        self._arrays.pop(name, None)
        self._views[name] = (source, tuple(order), tuple(shape))
        if before is not None and not _same_bytes(before, self[name]):
            raise ModelError(f"parameter '{name}' holds other values than the view of '{source}' in its place")

    def views_of(self, source: str) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """(name, order, shape) of each parameter that is a view of `source`, as `set_view` takes them."""
        return [(name, order, shape) for name, (of, order, shape) in self._views.items() if of == source]

    def keep_only(self, names: set[str]) -> None:
        """Forgets every parameter not in `names`; a view whose source goes is stored itself."""
        views = {k: v for k, v in self._views.items() if k in names}
        lone = {k: np.asarray(self[k], order="C") for k, (source, _, _) in views.items() if source not in names}
        self._arrays = {**{k: v for k, v in self._arrays.items() if k in names}, **lone}
        self._views = {k: v for k, v in views.items() if k not in lone}

    @property
    def nbytes(self) -> int:
        """Bytes of what is stored; views take none."""
        return sum(a.nbytes for a in self._arrays.values())

    @staticmethod
    def load(path: Path, offset: int = 0, length: int | None = None) -> ParameterStore:
        """Maps a safetensors file, or one stored inside another file at `offset`. Nothing is read but the header.

        Raises ModelError when the header is cut short, too large, or points outside the file.
        """
        total = path.stat().st_size - offset if length is None else length
        with path.open("rb") as file:
            file.seek(offset)
            head = file.read(8)
            size = int.from_bytes(head, "little")
            if len(head) < 8 or size > min(HEADER_LIMIT, total - 8):
                raise ModelError(f"{path}: not a safetensors file: header of {size} bytes in {total}")
            header = json.loads(file.read(size))
        mapped = np.memmap(path, np.uint8, "r", offset, (total,)) if total else np.zeros(0, np.uint8)
        store = ParameterStore()
        for name, entry in header.items():
            if name != "__metadata__":
                store._arrays[name] = _view(path, mapped, 8 + size, name, entry)
        views = json.loads(header.get("__metadata__", {}).get(VIEWS, "{}"))
        for name, (source, order, shape) in views.items():
            store.set_view(name, source, order, shape)
        return store

    def layout(self) -> dict[str, tuple[int, int]]:
        """Name -> (offset, bytes) of each tensor in what `write` writes; views are no tensors there."""
        text, begins = self._header()
        return {name: (8 + len(text) + at, self._arrays[name].nbytes) for name, at in begins.items()}

    def write(self, file: Any) -> None:
        """Streams the parameters in safetensors form to an open binary file; the data starts on a 64-byte boundary."""
        text, begins = self._header()
        file.write(len(text).to_bytes(8, "little") + text)
        for name in begins:
            file.write(np.ascontiguousarray(self._arrays[name]).reshape(-1).view(np.uint8).data)

    def _header(self) -> tuple[bytes, dict[str, int]]:
        """The file's header, and where each tensor begins behind it, in the order they are written.

        The format allows no gaps, so wide element types come first: then every tensor has its natural alignment.
        """
        entries: dict[str, Any] = {}
        begins, at = {}, 0
        if self._views:
            entries["__metadata__"] = {VIEWS: json.dumps(self._views, separators=(",", ":"))}
        for name, array in sorted(self._arrays.items(), key=lambda item: -item[1].itemsize):
            begins[name] = at
            offsets = [at, at + array.nbytes]
            entries[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
            at += array.nbytes
        text = json.dumps(entries, separators=(",", ":")).encode()
        return text + b" " * (-(8 + len(text)) % 64), begins


def _same_bytes(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays are equal to the bit, NaNs and signs of zero included."""
    kind = np.dtype(f"u{one.itemsize}")
    return one.dtype == other.dtype and np.array_equal(one.view(kind), other.view(kind))


def _view(path: Path, mapped: np.ndarray[Any, Any], base: int, name: str, entry: Any) -> np.ndarray[Any, Any]:
    begin, end = entry["data_offsets"]
    dtype = SAFETENSORS_DTYPES.get(entry["dtype"])
    if dtype is None:
        raise ModelError(f"{path}: tensor '{name}' has dtype {entry['dtype']}, which is not supported")
    count = int(np.prod(entry["shape"], dtype=np.int64))
    if begin < 0 or end - begin != count * dtype.itemsize or base + end > mapped.size:
        raise ModelError(f"{path}: tensor '{name}' claims bytes {begin}..{end}, the file does not hold them")
    return mapped[base + begin : base + end].view(dtype).reshape(entry["shape"])
