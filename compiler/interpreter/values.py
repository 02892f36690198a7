"""Run-time values: tuples of numpy arrays of one shape ("planes"), never changed once made.

A float value has as many planes as its number domain needs. An integer value has one plane, or two where its
second plane marks the elements that could differ in a computation with rounding ("doubt").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Value = tuple[Array, ...]
Region = tuple[slice, ...]


class Undefined(tuple[Array, ...]):
    """A value that nobody has written yet: what `tensor.empty` gives, and slices and reshapes of it."""


class Partial(Undefined):
    """A value of which phases of a kernel have written some elements so far; `missing` tells which not."""

    missing: Array

    @staticmethod
    def of(planes: Iterable[Array], missing: Array) -> Partial:
        partial = Partial(planes)
        partial.missing = missing
        return partial


class Shared(tuple[Array, ...]):
    """The shared output of an `scf.forall` as one unit sees it; keeps a log of the regions that the unit
    reads.
    """

    reads: list[Region]

    @staticmethod
    def of(value: Value) -> Shared:
        shared = Shared(value)
        shared.reads = []
        return shared


def shape_of(value: Value) -> tuple[int, ...]:
    return np.shape(value[0])


def map_planes(function: Callable[[Array], Array], value: Value) -> Value:
    """Applies a structural function to every plane; what is undefined stays undefined."""
    planes = tuple(function(plane) for plane in value)
    return Undefined(planes) if isinstance(value, Undefined) else planes


def put(plane: Array, where: Any, numbers: Array) -> None:
    """`plane[where] = numbers`. Into a single element of a plane of objects, numpy would put a rank-0 array whole."""
    plane[where] = numbers if np.ndim(numbers) or plane.dtype != object else np.asarray(numbers)[()]


def scalar(value: Value) -> int:
    """The Python integer in a rank-0 integer value."""
    return int(value[0])


def integer(number: int, dtype: Any = np.int64) -> Value:
    return (np.asarray(number, dtype),)


def doubt_of(*values: Value) -> Array | None:
    """The combined doubt of integer values, None where all are certain."""
    doubts = [value[1] for value in values if len(value) > 1]
    if not doubts:
        return None
    result = doubts[0]
    for other in doubts[1:]:
        result = np.logical_or(result, other)
    return result


def with_doubt(plane: Array, doubt: Array | None) -> Value:
    if doubt is None or not np.any(doubt):
        return (plane,)
    return plane, np.broadcast_to(doubt, np.shape(plane))


def same_planes(values: Sequence[Value]) -> list[Value]:
    """Gives integer values the same number of planes, so that they can be stored into each other."""
    most = max(len(value) for value in values)
    if all(len(value) == most for value in values):
        return list(values)
    return [value if len(value) == most else (value[0], np.zeros(np.shape(value[0]), np.bool_)) for value in values]


def broadcast(value: Value, shape: Sequence[int]) -> Value:
    """Every plane as a read-only view of the wanted shape."""
    if shape_of(value) == tuple(shape):
        return value
    return map_planes(lambda plane: np.broadcast_to(plane, tuple(shape)), value)
