"""The scalar functions that tensor expressions may call, with their numpy meaning and number of arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

ARITY: dict[str, int] = {
    "abs": 1,
    "cast": 1,
    "ceil": 1,
    "cos": 1,
    "erf": 1,
    "exp": 1,
    "floor": 1,
    "log": 1,
    "max": 2,
    "min": 2,
    "pow": 2,
    "round": 1,
    "rsqrt": 1,
    "select": 3,
    "sigmoid": 1,
    "sin": 1,
    "sqrt": 1,
    "tanh": 1,
}


def numpy_call(name: str) -> Callable[..., np.ndarray]:
    """The numpy meaning of the scalar function `name`, elementwise with broadcasting."""
    import math

    import numpy as np

    special: dict[str, Callable[..., Any]] = {
        "cast": np.asarray,
        "erf": np.vectorize(math.erf, otypes=[np.float64]),
        "max": np.maximum,
        "min": np.minimum,
        "pow": np.power,
        "round": np.rint,
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "select": lambda condition, yes, no: np.where(np.asarray(condition) != 0, yes, no),
        "sigmoid": lambda x: 1 / (1 + np.exp(-np.asarray(x))),
    }
    found: Callable[..., np.ndarray] = special[name] if name in special else getattr(np, name)
    return found
