"""The outside of a compiled program: names, element types and shapes of what goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

from stratagem.runtime.errors import RuntimeInputError

SMALL_TYPES: dict[str, np.dtype[Any]] = {
    "f8E4M3FN": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "f8E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "f8E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "f8E8M0FNU": np.dtype(ml_dtypes.float8_e8m0fnu),
    "f6E2M3FN": np.dtype(ml_dtypes.float6_e2m3fn),
    "f6E3M2FN": np.dtype(ml_dtypes.float6_e3m2fn),
    "f4E2M1FN": np.dtype(ml_dtypes.float4_e2m1fn),
    "i4": np.dtype(ml_dtypes.int4),
    "u4": np.dtype(ml_dtypes.uint4),
    "i2": np.dtype(ml_dtypes.int2),
    "u2": np.dtype(ml_dtypes.uint2),
}
"""Types that a program takes and gives in a byte each; inside they are `i8`."""

NUMPY_TYPES: dict[str, np.dtype[Any]] = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32),
    "i16": np.dtype(np.int16),
    "i8": np.dtype(np.int8),
    "u64": np.dtype(np.uint64),
    "u32": np.dtype(np.uint32),
    "u16": np.dtype(np.uint16),
    "u8": np.dtype(np.uint8),
    "c128": np.dtype(np.complex128),
    "c64": np.dtype(np.complex64),
    "i1": np.dtype(np.bool_),
    "index": np.dtype(np.int64),
    **SMALL_TYPES,
}
"""Name of an element type -> numpy dtype. The names are MLIR's, `u2` ... `u64` for unsigned integers, and `c64` and
`c128` for complex numbers of two f32 or f64."""


def as_parts(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Complex numbers as code holds them: in one more dimension, real and imaginary part; other arrays as they are."""
    if array.dtype.kind != "c":
        return array
    whole = np.asarray(array, order="C")
    return whole[..., np.newaxis].view(f"f{whole.itemsize // 2}")


def from_parts(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The inverse of `as_parts` on floats: without a copy where the parts lie side by side."""
    together = array if array.strides[-1] == array.itemsize else np.asarray(array, order="C").copy()
    return together.view(f"c{2 * array.itemsize}")[..., 0]


@dataclass(frozen=True)
class TensorSpec:
    """One input, output or parameter. `shape` holds None for a dimension known only at run time.

    `shard_dim`: for a parameter of a program cut over ranks, the dimension of which each rank holds one part; `shape`
    is then the shape of a part.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    shard_dim: int | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join('?' if n is None else str(n) for n in self.shape)}]"

    @cached_property
    def numpy_dtype(self) -> np.dtype[Any]:
        return NUMPY_TYPES[self.dtype]

    @cached_property
    def is_complex(self) -> bool:
        """Whether its numbers have two parts, for which code has one more dimension."""
        return self.numpy_dtype.kind == "c"

    @cached_property
    def stored(self) -> TensorSpec:
        """The tensor that code sees: of real numbers, `f32[3, 2]` for `c64[3]`."""
        if not self.is_complex:
            return self
        return replace(self, dtype={"c64": "f32", "c128": "f64"}[self.dtype], shape=(*self.shape, 2))

    def to_json(self) -> dict[str, Any]:
        shard = {} if self.shard_dim is None else {"shard_dim": self.shard_dim}
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape), **shard}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> TensorSpec:
        return TensorSpec(str(value["name"]), str(value["dtype"]), tuple(value["shape"]), value.get("shard_dim"))

    def part(self, array: np.ndarray[Any, Any], rank: int) -> np.ndarray[Any, Any]:
        """Rank `rank`'s part of a whole parameter; the array itself when it is not cut."""
        if self.shard_dim is None:
            return array
        size = self.shape[self.shard_dim] or 0
        index = (slice(None),) * self.shard_dim + (slice(rank * size, (rank + 1) * size),)
        return array[index]

    def check(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The array, contiguous, in exactly this dtype; raises RuntimeInputError when it does not fit."""
        if array.dtype != self.numpy_dtype:
            raise RuntimeInputError(
                f"input '{self.name}' has dtype {array.dtype}, the program takes {self.numpy_dtype}",
                hint=f"pass array.astype({str(self.numpy_dtype)!r})",
            )
        if array.shape != self.shape and not self._admits(array.shape):
            raise RuntimeInputError(f"input '{self.name}' has shape {list(array.shape)}, the program takes {self}")
        return array if array.flags.c_contiguous else np.ascontiguousarray(array)

    def _admits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and all(
            want in (None, have) for want, have in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: tuple[TensorSpec, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {key: [t.to_json() for t in getattr(self, key)] for key in ("inputs", "outputs", "parameters")}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Signature:
        parts = [tuple(TensorSpec.from_json(t) for t in value[key]) for key in ("inputs", "outputs", "parameters")]
        return Signature(*parts)

    def bind(self, arguments: Sequence[Any] | Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
        """Positional or named arguments as checked arrays in order; raises RuntimeInputError."""
        if isinstance(arguments, Mapping):
            arguments = self._in_order(arguments)
        if len(arguments) != len(self.inputs):
            takes = "; ".join(map(str, self.inputs)) or "none"
            raise RuntimeInputError(f"got {len(arguments)} inputs, the program takes {len(self.inputs)}: {takes}")
        return [spec.check(np.asarray(a)) for spec, a in zip(self.inputs, arguments, strict=True)]

    def _in_order(self, named: Mapping[str, Any]) -> list[Any]:
        wanted = [spec.name for spec in self.inputs]
        missing, unknown = [n for n in wanted if n not in named], [n for n in named if n not in wanted]
        if missing or unknown:
            problem = "; ".join(
                f"{what} {', '.join(map(repr, names))}"
                for what, names in (("missing", missing), ("unknown", unknown))
                if names
            )
            raise RuntimeInputError(
                f"inputs do not match: {problem}", hint="inputs: " + "; ".join(map(str, self.inputs))
            )
        return [named[name] for name in wanted]
