"""Weights of the neighbours of a place between grid points."""

from __future__ import annotations

from stratagem.compiler.frontends.onnx.value import Value


def linear_weights(ratio: Value) -> list[Value]:
    """Of the points at 0 and 1, for places `ratio` in between."""
    return [ratio.of(1) - ratio, ratio]


def cubic_weights(ratio: Value, a: float) -> list[Value]:
    """Of the points at -1, 0, 1 and 2 by cubic convolution with the parameter `a` (Keys 1981)."""
    rest = ratio.of(1) - ratio
    return [_outer(ratio + 1, a), _inner(ratio, a), _inner(rest, a), _outer(rest + 1, a)]


def cubic_kernel(distance: Value, a: float) -> Value:
    """The weight of a point at this distance, which is not negative."""
    far = distance.less(2).where(_outer(distance, a), 0)
    return distance.less(1).where(_inner(distance, a), far)


def _inner(x: Value, a: float) -> Value:
    return ((x * (a + 2)) - (a + 3)) * x * x + 1


def _outer(x: Value, a: float) -> Value:
    return ((x * a - 5 * a) * x + 8 * a) * x - 4 * a
