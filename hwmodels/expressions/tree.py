"""The typed tree of a tensor expression, and the questions a compiler asks of it.

An expression describes one statement `OUT[dims] <accumulate> value`, run once for every point of the loop
dimensions. Loop dimensions that index the output are parallel; the others are reduced with the accumulate
operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

Accumulate = Literal["assign", "add", "mul", "max", "min"]
ACCUMULATE_TEXT: dict[Accumulate, str] = {
    "assign": "=",
    "add": "+=",
    "mul": "*=",
    "max": "max=",
    "min": "min=",
}


@dataclass(frozen=True)
class IndexTerm:
    """`coefficient * symbol * ... * dim`: a loop dimension, a size parameter such as a stride, or a plain
    number.

    `lookup` stands in place of `dim` where the index is read from a tensor: `X[I[i], j]`.
    """

    coefficient: int
    symbols: tuple[str, ...] = ()
    dim: str | None = None
    lookup: Access | None = None

    def __str__(self) -> str:
        names = [
            *([self.dim] if self.dim else []),
            *([str(self.lookup)] if self.lookup else []),
            *self.symbols,
        ]
        if not names:
            return str(abs(self.coefficient))
        return "*".join(([str(abs(self.coefficient))] if abs(self.coefficient) != 1 else []) + names)


@dataclass(frozen=True)
class Index:
    """A sum of terms, affine in the loop dimensions."""

    terms: tuple[IndexTerm, ...]

    @property
    def bare_dim(self) -> str | None:
        """The dimension, when the index is just that dimension."""
        if len(self.terms) != 1:
            return None
        (term,) = self.terms
        plain = term.coefficient == 1 and not term.symbols and term.lookup is None
        return term.dim if plain else None

    def __str__(self) -> str:
        text = ""
        for position, term in enumerate(self.terms):
            sign = "-" if term.coefficient < 0 else "+"
            text += ("-" if sign == "-" and position == 0 else sign if position else "") + str(term)
        return text


@dataclass(frozen=True)
class Constant:
    """A number."""

    value: float

    def __str__(self) -> str:
        return str(int(self.value)) if self.value == int(self.value) and abs(self.value) < 1e15 else repr(self.value)


@dataclass(frozen=True)
class Access:
    """An element of a tensor; no indices for a scalar."""

    tensor: str
    indices: tuple[Index, ...] = ()

    def __str__(self) -> str:
        return f"{self.tensor}[{', '.join(map(str, self.indices))}]" if self.indices else self.tensor


@dataclass(frozen=True)
class Call:
    """A scalar function: max, min, exp, select, ... (see `calls.py`)."""

    name: str
    arguments: tuple[Expression, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class Negate:
    """The value with the other sign."""

    operand: Expression

    def __str__(self) -> str:
        return "-" + wrapped(self.operand, 3)


@dataclass(frozen=True)
class Binary:
    """An arithmetic operation or comparison of two values."""

    operator: str
    left: Expression
    right: Expression

    def __str__(self) -> str:
        rank = strength(self)
        # A comparison takes no comparison as operand, and - and / do not associate.
        return f"{wrapped(self.left, rank + (rank == 0))} {self.operator} {wrapped(self.right, rank + 1)}"


Expression = Constant | Access | Call | Negate | Binary


def strength(node: Expression) -> int:
    """Binding strength of a node's outermost operator: 0 comparison, 1 sum, 2 product, 3 anything closed."""
    if isinstance(node, Binary):
        return 1 if node.operator in "+-" else 2 if node.operator in "*/" else 0
    return 3


def wrapped(node: Expression, least: int) -> str:
    """The text of a node, in parentheses when it binds weaker than `least`."""
    return f"({node})" if strength(node) < least else str(node)


def walk(node: Expression) -> Iterator[Expression]:
    """A node and all below it, parents first, including tensors read inside indices."""
    yield node
    if isinstance(node, Access):
        for index in node.indices:
            for term in index.terms:
                if term.lookup is not None:
                    yield from walk(term.lookup)
    children: tuple[Expression, ...] = ()
    if isinstance(node, Call):
        children = node.arguments
    elif isinstance(node, Negate):
        children = (node.operand,)
    elif isinstance(node, Binary):
        children = (node.left, node.right)
    for child in children:
        yield from walk(child)


@dataclass(frozen=True)
class TensorExpression:
    """One statement. `str()` gives the canonical text, which parses back to an equal expression."""

    output: Access
    accumulate: Accumulate
    value: Expression

    def __str__(self) -> str:
        return f"{self.output} {ACCUMULATE_TEXT[self.accumulate]} {self.value}"

    @cached_property
    def reads(self) -> tuple[Access, ...]:
        """Every read of a tensor, in order of writing; repeated reads are kept."""
        return tuple(node for node in walk(self.value) if isinstance(node, Access))

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors read, each once, in order of first reading."""
        return tuple(dict.fromkeys(access.tensor for access in self.reads))

    @cached_property
    def parallel_dims(self) -> tuple[str, ...]:
        """Loop dimensions of the output, in its order."""
        return tuple(dim for index in self.output.indices if (dim := index.bare_dim))

    @cached_property
    def reduction_dims(self) -> tuple[str, ...]:
        """Loop dimensions that only inputs have, in order of appearance."""
        found = (t.dim for a in self.reads for index in a.indices for t in index.terms if t.dim)
        return tuple(dict.fromkeys(dim for dim in found if dim not in self.parallel_dims))

    @property
    def dims(self) -> tuple[str, ...]:
        """All loop dimensions: parallel ones, then reductions."""
        return self.parallel_dims + self.reduction_dims

    @property
    def iterator_types(self) -> tuple[str, ...]:
        """ "parallel" or "reduction" for each of `dims`."""
        return ("parallel",) * len(self.parallel_dims) + ("reduction",) * len(self.reduction_dims)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Size parameters used in indices, such as strides."""
        terms = (t for a in self.reads for index in a.indices for t in index.terms)
        return tuple(dict.fromkeys(symbol for term in terms for symbol in term.symbols))

    @cached_property
    def operations_per_point(self) -> int:
        """Scalar operations done at one point of the loops: calls, operators, and the accumulation."""
        inside = sum(isinstance(node, (Call, Binary, Negate)) for node in walk(self.value))
        return inside + (self.accumulate != "assign")

    @cached_property
    def is_multiply_add(self) -> bool:
        """Whether one point is a product added to something: what fused multiply-add hardware does."""
        value = self.value
        if self.accumulate == "add":
            return isinstance(value, Binary) and value.operator == "*"
        sides = (value.left, value.right) if isinstance(value, Binary) and value.operator == "+" else ()
        return any(isinstance(side, Binary) and side.operator == "*" for side in sides)

    def evaluate(
        self,
        arrays: Mapping[str, ArrayLike],
        *,
        symbols: Mapping[str, int] | None = None,
        sizes: Mapping[str, int] | None = None,
        initial: ArrayLike | None = None,
    ) -> np.ndarray:
        """Run the expression with numpy; see `evaluate.evaluate`."""
        from stratagem.hwmodels.expressions.evaluate import evaluate

        return evaluate(self, arrays, symbols=symbols or {}, sizes=sizes or {}, initial=initial)
