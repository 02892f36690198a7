"""Element types: how each is stored, and what rounding does to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from torch_mlir import ir

from stratagem.runtime.errors import UnsupportedError


@dataclass(frozen=True)
class FloatFormat:
    """One floating-point format.

    `unit` is the unit roundoff (half an ulp at 1), `tiny` the smallest normal number: below it a result may
    be rounded to a denormal or flushed to zero. `largest` is the largest finite number.
    """

    dtype: np.dtype[Any]
    unit: float
    tiny: float
    largest: float


FLOATS: dict[str, FloatFormat] = {
    "f64": FloatFormat(np.dtype(np.float64), 2.0**-53, 2.0**-1022, float(np.finfo(np.float64).max)),
    "f32": FloatFormat(np.dtype(np.float32), 2.0**-24, 2.0**-126, float(np.finfo(np.float32).max)),
    "f16": FloatFormat(np.dtype(np.float16), 2.0**-11, 2.0**-14, 65504.0),
    "bf16": FloatFormat(np.dtype(ml_dtypes.bfloat16), 2.0**-8, 2.0**-126, float(ml_dtypes.finfo("bfloat16").max)),
}

INTEGERS: dict[str, np.dtype[Any]] = {
    "i1": np.dtype(np.bool_),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "index": np.dtype(np.int64),
}


def element_of(kind: Any) -> str:
    """The element name (`f32`, `i64`, `index` ...) of a scalar or shaped MLIR type; unsigned reads as
    signless.
    """
    element = ir.ShapedType(kind).element_type if isinstance(kind, ir.ShapedType) else kind
    name = str(element)
    return "i" + name.lstrip("usi") if name[:2] in ("ui", "si") else name


def is_float(element: str) -> bool:
    return element in FLOATS


def storage(element: str) -> np.dtype[Any]:
    """The numpy dtype of data of this element type at the program's border.

    Raises UnsupportedError for element types outside the tensor contract.
    """
    if element in FLOATS:
        return FLOATS[element].dtype
    if element in INTEGERS:
        return INTEGERS[element]
    known = ", ".join([*FLOATS, *INTEGERS])
    raise UnsupportedError(f"element type {element} has no reference semantics", hint=f"known: {known}")
