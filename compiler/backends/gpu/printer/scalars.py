"""Index-like numbers inside an emitted kernel: constants, launch parameters and values computed by each
program.

Every number carries an upper bound. The bound gives tiles their static extent and tells where 32 bits are
not enough. Offsets and sizes are never negative in device form, so zero is the lower bound of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stratagem.compiler.backends.gpu import expressions
from stratagem.compiler.backends.gpu.expressions import Expression
from stratagem.runtime.errors import UnsupportedError

INT32_MAX = 2**31 - 1
DYNAMIC_EXTENT_LIMIT = 2**31 - 2**16
"""Dynamic extents stay below this (the launcher checks), so an extent plus a tile never passes 32 bits."""
UNBOUNDED = 2**63 - 1


@dataclass(frozen=True)
class Scalar:
    """A whole number: computed by the host (`host`), or by the program as the Triton expression `text`.

    `high` is the largest value it can have.
    """

    high: int
    text: str = ""
    host: Expression | None = None

    @property
    def constant(self) -> int | None:
        return self.host if isinstance(self.host, int) else None

    @property
    def wide(self) -> bool:
        """Whether 32 bits may not hold it."""
        return self.high > INT32_MAX


def constant(value: int) -> Scalar:
    return Scalar(high=value, host=value)


def dynamic_extent(argument: int, axis: int) -> Scalar:
    return Scalar(high=DYNAMIC_EXTENT_LIMIT - 1, host=expressions.dimension(argument, axis))


Print = Callable[[Scalar], str]

_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%"}
_CALLS = {"ceildiv": "tl.cdiv", "min": "min", "max": "max"}


def combine(operation: str, a: Scalar, b: Scalar, show: Print) -> Scalar:
    """`a operation b`: folded, left to the host, or as text; widened where 32 bits do not do."""
    high = _upper_bound(operation, a, b)
    if a.host is not None and b.host is not None:
        return Scalar(high=high, host=expressions.make(operation, a.host, b.host))
    if (simple := _identity(operation, a, b)) is not None:
        return simple
    left, right = show(a), show(b)
    if high > INT32_MAX and operation in ("add", "sub", "mul") and not (a.wide or b.wide):
        left, right = (_widened(x, t) for x, t in ((a, left), (b, right)))
    if operation in _SYMBOLS:
        return Scalar(high=high, text=f"({left} {_SYMBOLS[operation]} {right})")
    operands = ", ".join(map(without_parentheses, (left, right)))
    return Scalar(high=high, text=f"{_CALLS[operation]}({operands})")


def _widened(scalar: Scalar, text: str) -> str:
    return text if scalar.constant is not None else f"tl.cast({without_parentheses(text)}, tl.int64)"


def _identity(operation: str, a: Scalar, b: Scalar) -> Scalar | None:
    if operation == "mul" and 0 in (a.constant, b.constant):
        return constant(0)
    if operation in ("add", "mul") and a.constant is not None:
        a, b = b, a
    neutral = {"add": 0, "sub": 0, "mul": 1, "floordiv": 1, "ceildiv": 1}.get(operation)
    return a if neutral is not None and b.constant == neutral else None


def _upper_bound(operation: str, a: Scalar, b: Scalar) -> int:
    known = {
        "add": lambda: a.high + b.high,
        "sub": lambda: a.high - (b.constant or 0),
        "mul": lambda: max(0, a.high * b.high),
        "floordiv": lambda: a.high // b.constant if b.constant else a.high,
        "ceildiv": lambda: -(-a.high // b.constant) if b.constant else a.high,
        "mod": lambda: min(a.high, b.high - 1),
        "min": lambda: min(a.high, b.high),
        "max": lambda: max(a.high, b.high),
    }
    return min(known[operation](), UNBOUNDED)


_BINARY = {
    "AffineMulExpr": "mul",
    "AffineFloorDivExpr": "floordiv",
    "AffineCeilDivExpr": "ceildiv",
    "AffineModExpr": "mod",
}


def affine(expression: Any, dims: Sequence[Scalar], symbols: Sequence[Scalar], show: Print) -> Scalar:
    """The value of an affine expression; a term times a negative constant is subtracted, to keep bounds
    sharp.
    """
    kind = type(expression).__name__
    if kind == "AffineConstantExpr":
        return constant(int(expression.value))
    if kind == "AffineDimExpr":
        return dims[int(expression.position)]
    if kind == "AffineSymbolExpr":
        return symbols[int(expression.position)]
    if kind == "AffineAddExpr":
        return _affine_sum(expression, dims, symbols, show)
    if kind in _BINARY:
        left, right = (affine(side, dims, symbols, show) for side in (expression.lhs, expression.rhs))
        return combine(_BINARY[kind], left, right, show)
    raise UnsupportedError(f"the GPU backend cannot print the affine expression {expression}")


def _affine_sum(expression: Any, dims: Sequence[Scalar], symbols: Sequence[Scalar], show: Print) -> Scalar:
    plus: list[Scalar] = []
    minus: list[Scalar] = []
    for term in _terms(expression):
        factor = _constant_factor(term)
        if factor >= 0:
            plus.append(affine(term, dims, symbols, show))
        else:
            minus.append(combine("mul", affine(term.lhs, dims, symbols, show), constant(-factor), show))
    offset = sum(s.constant for s in plus if s.constant is not None)
    variables = [s for s in plus if s.constant is None]
    total = variables[0] if variables else constant(offset)
    for term in variables[1:]:
        total = combine("add", total, term, show)
    if variables and offset > 0:
        total = combine("add", total, constant(offset), show)
    for term in [*minus, *([constant(-offset)] if variables and offset < 0 else [])]:
        total = combine("sub", total, term, show)
    return total


def _terms(expression: Any) -> list[Any]:
    if type(expression).__name__ != "AffineAddExpr":
        return [expression]
    return [*_terms(expression.lhs), *_terms(expression.rhs)]


def _constant_factor(term: Any) -> int:
    """n when the term is `e * n`, else 1."""
    if type(term).__name__ != "AffineMulExpr" or type(term.rhs).__name__ != "AffineConstantExpr":
        return 1
    return int(term.rhs.value)


def without_parentheses(text: str) -> str:
    """Drops one pair of parentheses that encloses the whole text."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0 and at < len(text) - 1:
            return text
    return text[1:-1]
