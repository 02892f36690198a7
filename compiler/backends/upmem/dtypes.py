"""Element types the C programs can hold: MLIR name -> C type, numpy name and bytes."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.runtime.errors import UnsupportedError


@dataclass(frozen=True)
class DType:
    """One element type. `name` is MLIR's (`f32`), `c` the C type, `numpy` the array type, `size` bytes."""

    name: str
    c: str
    numpy: str
    size: int

    @property
    def is_float(self) -> bool:
        return self.name.startswith("f")


_ALL = (
    DType("i1", "uint8_t", "bool", 1),
    DType("i8", "int8_t", "int8", 1),
    DType("i16", "int16_t", "int16", 2),
    DType("i32", "int32_t", "int32", 4),
    DType("i64", "int64_t", "int64", 8),
    DType("index", "int64_t", "int64", 8),
    DType("f32", "float", "float32", 4),
    DType("f64", "double", "float64", 8),
)
DTYPES = {dtype.name: dtype for dtype in _ALL}


def dtype_named(name: str) -> DType:
    """The element type called `name`; UnsupportedError for the types a DPU program cannot hold."""
    if name not in DTYPES:
        raise UnsupportedError(
            f"element type {name} has no C type on a DPU",
            hint=f"types that can be emitted: {', '.join(DTYPES)}; other kernels run on the host",
        )
    return DTYPES[name]


def dtype_of(mlir_type: object) -> DType:
    """The element type of a tensor type, or of a scalar type."""
    element = getattr(mlir_type, "element_type", mlir_type)
    return dtype_named(str(element))
