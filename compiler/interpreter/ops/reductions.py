"""Reductions of integers; those of floats belong to the number domain."""

from __future__ import annotations

import numpy as np

from stratagem.compiler.interpreter.ops.integers import BINARY, signed, unsigned
from stratagem.compiler.interpreter.values import Array, Value, doubt_of, with_doubt


def _reduced(function: str, plane: Array, axes: tuple[int, ...]) -> Array:
    boolean = plane.dtype == np.bool_
    if function in ("add", "mul"):
        if boolean:
            return np.asarray((np.logical_xor if function == "add" else np.logical_and).reduce(plane, axis=axes))
        return np.asarray((np.add if function == "add" else np.multiply).reduce(plane, axis=axes, dtype=plane.dtype))
    if function in ("and", "or", "xor"):
        table = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
        return np.asarray(table[function].reduce(plane, axis=axes))
    read = signed if function.endswith("s") else unsigned
    extreme = (np.maximum if function.startswith("max") else np.minimum).reduce(read(plane), axis=axes)
    return np.asarray(extreme).view(plane.dtype) if not boolean else np.asarray(extreme != 0)


def reduce_values(function: str, value: Value, axes: tuple[int, ...], init: Value) -> Value:
    """`function` is a name of `integers.BINARY`; the result is in doubt where any term is."""
    plane = value[0]
    doubt: Array | None = None if len(value) == 1 else np.asarray(value[1].any(axis=axes))
    count = int(np.prod([plane.shape[axis] for axis in axes]))
    result = BINARY[function](init[0], _reduced(function, plane, axes)) if count else init[0]
    own = doubt_of(init)
    if doubt is None or own is None:
        return with_doubt(np.asarray(result), own if doubt is None else doubt)
    return with_doubt(np.asarray(result), doubt | own)
