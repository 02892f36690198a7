"""Whole-number expressions that the host evaluates when it launches a kernel: grids, extents, scratch sizes.

They are plain JSON, so that a launch plan can be stored and read without MLIR:

    7                      a constant
    ["dim", 2, 0]          extent of dimension 0 of kernel argument 2
    ["arg", 3]             value of scalar kernel argument 3
    ["add", a, b]          also sub, mul, floordiv, ceildiv, mod, min, max
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stratagem.runtime.errors import ArtifactError

Expression = int | list[Any]

_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "ceildiv": lambda a, b: -(-a // b),
    "mod": lambda a, b: a % b,
    "min": min,
    "max": max,
}
_RIGHT_NEUTRAL = {"add": 0, "sub": 0, "mul": 1, "floordiv": 1, "ceildiv": 1}


def dimension(argument: int, axis: int) -> Expression:
    """The extent of one dimension of a kernel argument."""
    return ["dim", argument, axis]


def make(operation: str, a: Expression, b: Expression) -> Expression:
    """`a operation b`, folded where both are known and where `b` (or `a`, for add and mul) is neutral or
    absorbing.
    """
    if isinstance(a, int) and isinstance(b, int):
        return _OPERATIONS[operation](a, b)
    if operation in ("add", "mul") and isinstance(a, int):
        a, b = b, a
    if _RIGHT_NEUTRAL.get(operation) == b:
        return a
    if operation == "mul" and b == 0:
        return 0
    return [operation, a, b]


def product(factors: Sequence[Expression]) -> Expression:
    """The product of all factors; 1 for none."""
    total: Expression = 1
    for factor in factors:
        total = make("mul", total, factor)
    return total


def evaluate(expression: Expression, shapes: Sequence[Sequence[int]], scalars: Sequence[Any]) -> int:
    """The value for given argument shapes and scalar arguments.

    Args:
        shapes: the shape of each kernel argument; empty for a scalar argument.
        scalars: the value of each scalar kernel argument, by argument index; anything for tensors.

    Raises ArtifactError for an expression this version does not know.
    """
    if isinstance(expression, int):
        return expression
    head, *rest = expression
    if head == "dim":
        return int(shapes[rest[0]][rest[1]])
    if head == "arg":
        return int(scalars[rest[0]])
    if head not in _OPERATIONS:
        raise ArtifactError(f"the launch plan holds the unknown operation '{head}'", hint="compile the model again")
    return _OPERATIONS[head](*(evaluate(part, shapes, scalars) for part in rest))
