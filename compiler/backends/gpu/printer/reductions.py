"""Reductions: the fold of one value into an accumulator, its neutral element, and the Triton call for a whole
axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stratagem.compiler.backends.gpu.printer.element_types import element_type


@dataclass(frozen=True)
class Reduction:
    """`call` reduces an axis, `fold` joins two partial results; `neutral` is by element type."""

    call: str
    fold: Callable[[str, str], str]
    floating: float
    integer: Callable[[int], int]

    def neutral(self, element: str) -> float | int:
        kind = element_type(element)
        return self.floating if kind.floating else self.integer(8 * kind.bytes)


_ALL_NAN = ", propagate_nan=tl.PropagateNan.ALL"
_SMALLEST, _LARGEST = lambda bits: -(2 ** (bits - 1)), lambda bits: 2 ** (bits - 1) - 1

REDUCTIONS: dict[str, Reduction] = {
    "arith.andi": Reduction("_all", lambda a, b: f"({a} & {b})", 1.0, lambda _: 1),
    "arith.ori": Reduction("_any", lambda a, b: f"({a} | {b})", 0.0, lambda _: 0),
    "arith.addf": Reduction("tl.sum", lambda a, b: f"({a} + {b})", 0.0, lambda _: 0),
    "arith.addi": Reduction("tl.sum", lambda a, b: f"({a} + {b})", 0.0, lambda _: 0),
    "arith.maximumf": Reduction("_nan_max", lambda a, b: f"tl.maximum({a}, {b}{_ALL_NAN})", -float("inf"), _SMALLEST),
    "arith.minimumf": Reduction("_nan_min", lambda a, b: f"tl.minimum({a}, {b}{_ALL_NAN})", float("inf"), _LARGEST),
    "arith.maxnumf": Reduction("tl.max", lambda a, b: f"tl.maximum({a}, {b})", -float("inf"), _SMALLEST),
    "arith.minnumf": Reduction("tl.min", lambda a, b: f"tl.minimum({a}, {b})", float("inf"), _LARGEST),
    "arith.maxsi": Reduction("tl.max", lambda a, b: f"tl.maximum({a}, {b})", -float("inf"), _SMALLEST),
    "arith.minsi": Reduction("tl.min", lambda a, b: f"tl.minimum({a}, {b})", float("inf"), _LARGEST),
}
