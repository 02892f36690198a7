"""A launch plan with the shapes of one call filled in: grids, parameter values, scratch sizes. No MLIR, no
Triton.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.backends.gpu.expressions import evaluate
from stratagem.compiler.backends.gpu.plan import Argument, KernelPlan, Launch
from stratagem.runtime.errors import RuntimeInputError
from stratagem.runtime.signature import NUMPY_TYPES

Array = np.ndarray[Any, Any]

EXTENT_LIMIT = 2**31 - 2**16
"""Dynamic extents must stay below this: kernels compute them in 32 bits (`printer/scalars.py` relies on it).
"""
GRID_LIMIT = 2**31
"""Programs of one launch; the hardware's limit on the x dimension of a grid."""


@dataclass(frozen=True)
class BoundLaunch:
    """One launch of one call: `values` has a number per parameter, None for pointers."""

    launch: Launch
    grid: int
    values: tuple[int | float | None, ...]


@dataclass(frozen=True)
class BoundCall:
    """A kernel call ready to run; `scratch` is in bytes per scratch buffer."""

    plan: KernelPlan
    launches: tuple[BoundLaunch, ...]
    scratch: tuple[int, ...]


def bind(plan: KernelPlan, arguments: Sequence[Array | int | float]) -> BoundCall:
    """Checks the arguments against the plan and evaluates its expressions for them.

    Raises RuntimeInputError when count, dtype or shape differ, or when an extent is too large for the kernel.
    """
    if len(arguments) != len(plan.arguments):
        raise RuntimeInputError(f"kernel '{plan.name}' takes {len(plan.arguments)} arguments, got {len(arguments)}")
    for index, (argument, expected) in enumerate(zip(arguments, plan.arguments, strict=True)):
        if expected.shape is not None:
            _check(plan.name, index, np.asarray(argument), expected)
    shapes = [a.shape if isinstance(a, np.ndarray) else () for a in arguments]
    launches = tuple(_bound(plan, launch, shapes, arguments) for launch in plan.launches)
    scratch = tuple(
        evaluate(s.elements, shapes, arguments) * np.dtype(NUMPY_TYPES[s.dtype]).itemsize for s in plan.scratch
    )
    return BoundCall(plan, launches, scratch)


def raise_failed(plan: KernelPlan, statuses: Sequence[Array]) -> None:
    """Raises RuntimeInputError with the messages of the assertions that failed.

    Args:
        statuses: the i32 status words of each scratch buffer that has messages, in order.
    """
    watched = [s for s in plan.scratch if s.messages]
    failed = [
        message
        for scratch, words in zip(watched, statuses, strict=True)
        for message, word in zip(scratch.messages, words, strict=True)
        if word
    ]
    if failed:
        raise RuntimeInputError(f"kernel '{plan.name}': {'; '.join(failed)}")


def _check(kernel: str, index: int, array: Array, expected: Argument) -> None:
    assert expected.shape is not None
    if array.dtype != np.dtype(NUMPY_TYPES[expected.dtype]):
        raise RuntimeInputError(
            f"argument {index} of kernel '{kernel}' is {array.dtype}, the kernel takes {expected.dtype}"
        )
    fits = array.ndim == len(expected.shape) and all(
        want in (None, have) for have, want in zip(array.shape, expected.shape, strict=True)
    )
    if not fits:
        wanted = " x ".join("?" if n is None else str(n) for n in expected.shape)
        got = " x ".join(map(str, array.shape))
        problem = f"argument {index} of kernel '{kernel}' is {got}, the kernel was compiled for {wanted}"
        raise RuntimeInputError(problem)
    dynamic = [have for have, want in zip(array.shape, expected.shape, strict=True) if want is None]
    if max(dynamic, default=0) >= EXTENT_LIMIT:
        raise RuntimeInputError(
            f"argument {index} of kernel '{kernel}' has an extent of {max(dynamic)}, the limit is {EXTENT_LIMIT}",
            hint="split the input",
        )


def _bound(
    plan: KernelPlan,
    launch: Launch,
    shapes: Sequence[tuple[int, ...]],
    arguments: Sequence[Array | int | float],
) -> BoundLaunch:
    grid = evaluate(launch.grid, shapes, arguments)
    if grid >= GRID_LIMIT:
        raise RuntimeInputError(
            f"kernel '{plan.name}' needs {grid} programs, a grid has fewer than {GRID_LIMIT}",
            hint="compile with larger tiles, or split the input",
        )
    return BoundLaunch(launch, grid, tuple(_value(p.value, p.type, shapes, arguments) for p in launch.parameters))


def _value(
    expression: Any, kind: str, shapes: Sequence[tuple[int, ...]], arguments: Sequence[Array | int | float]
) -> int | float | None:
    if expression is None:
        return None
    if kind.startswith("fp") and isinstance(expression, list) and expression[0] == "arg":
        return float(arguments[expression[1]])
    return evaluate(expression, shapes, arguments)
