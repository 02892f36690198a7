"""Parse tree to typed tree: tells dimensions from size parameters, and checks what the grammar cannot."""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token, Tree

from stratagem.hwmodels.expressions.calls import ARITY
from stratagem.hwmodels.expressions.errors import ExpressionError
from stratagem.hwmodels.expressions.tree import (
    ACCUMULATE_TEXT,
    Access,
    Accumulate,
    Binary,
    Call,
    Constant,
    Expression,
    Index,
    IndexTerm,
    Negate,
    TensorExpression,
)
from stratagem.hwmodels.nearest import did_you_mean

ACCUMULATES: dict[str, Accumulate] = {text: name for name, text in ACCUMULATE_TEXT.items()}
LARGEST_COEFFICIENT = 2**31


class Builder:
    """Builds one statement.

    A name alone in some index term is a dimension; one that only multiplies others is a size parameter.
    """

    def __init__(self) -> None:
        self.dims: set[str] = set()

    def statement(self, tree: Tree[Token]) -> TensorExpression:
        """The whole statement."""
        output, operator, value = tree.children
        assert isinstance(output, Tree)
        self.dims = set(bare_names(tree))
        result = TensorExpression(self.access(output), ACCUMULATES[str(operator)], self.value(value))
        check_output(result)
        check_ranks(result)
        return result

    def value(self, node: Tree[Token] | Token) -> Expression:
        """A value: number, access, call or operation."""
        assert isinstance(node, Tree)
        match node.data:
            case "number":
                return Constant(float(node.children[0]))  # type: ignore[arg-type]
            case "signed":
                sign, operand = node.children
                return Negate(self.value(operand)) if sign == "-" else self.value(operand)
            case "binary":
                left, operator, right = node.children
                return Binary(str(operator), self.value(left), self.value(right))
            case "call":
                return self.call(node)
        return self.access(node)

    def call(self, node: Tree[Token]) -> Call:
        """A scalar function, known and with the right number of arguments."""
        name, *arguments = node.children
        assert isinstance(name, Token)
        if name not in ARITY:
            hint = did_you_mean(name, ARITY) or f"known: {', '.join(ARITY)}"
            raise ExpressionError(f"unknown scalar function {str(name)!r}; {hint}", name.column or 0)
        if len(arguments) != ARITY[name]:
            expected = f"{name} takes {ARITY[name]} argument{'s' * (ARITY[name] > 1)}"
            raise ExpressionError(f"{expected}, not {len(arguments)}", name.column or 0)
        return Call(str(name), tuple(self.value(argument) for argument in arguments))

    def access(self, node: Tree[Token]) -> Access:
        """A tensor element."""
        name, *indices = node.children
        return Access(str(name), tuple(self.index(index) for index in indices if isinstance(index, Tree)))

    def index(self, node: Tree[Token]) -> Index:
        """A sum of terms."""
        terms, sign = [], 1
        for child in node.children:
            if isinstance(child, Token):
                sign = -1 if child == "-" else 1
            else:
                terms.append(self.term(child, sign))
        return Index(tuple(terms))

    def term(self, node: Tree[Token], sign: int) -> IndexTerm:
        """One product: at most one dimension or looked-up value, with numbers and parameters."""
        coefficient, symbols, dims, lookups = sign, list[str](), list[str](), list[Access]()
        for atom in (child for child in node.children if isinstance(child, Tree)):
            if atom.data == "number":
                coefficient *= int(str(atom.children[0]))
            elif len(atom.children) > 1:
                lookups.append(self.access(atom))
            else:
                name = str(atom.children[0])
                (dims if name in self.dims else symbols).append(name)
        if len(dims) + len(lookups) > 1:
            product = " * ".join([*dims, *map(str, lookups)])
            raise ExpressionError(f"the index {product} is not affine: it multiplies two dimensions", node.meta.column)
        if abs(coefficient) > LARGEST_COEFFICIENT:
            raise ExpressionError(f"the coefficient {coefficient} is above 2^31", node.meta.column)
        return IndexTerm(
            coefficient, tuple(sorted(symbols)), dims[0] if dims else None, lookups[0] if lookups else None
        )


def bare_names(tree: Tree[Token]) -> Iterator[str]:
    """Names that are the only name of some index term (`i`, `2*i`): dimensions, not parameters."""
    for term in tree.find_data("term"):
        names = [atom for atom in term.children if isinstance(atom, Tree) and atom.data == "access"]
        if len(names) == 1 and len(names[0].children) == 1:
            yield str(names[0].children[0])


def check_output(statement: TensorExpression) -> None:
    """The output's indices are plain, distinct dimensions, and it is not read by its own value."""
    output = statement.output
    dims = [index.bare_dim for index in output.indices]
    for index, dim in zip(output.indices, dims, strict=True):
        if dim is None:
            raise ExpressionError(f"the output index {index} must be one plain dimension")
        if dims.count(dim) > 1:
            raise ExpressionError(f"the output {output} repeats the dimension {dim}")
    if output.tensor in statement.inputs:
        raise ExpressionError(f"{output.tensor} is the output and must not be read; use an accumulating operator")
    if statement.accumulate == "assign" and statement.reduction_dims:
        lost = ", ".join(statement.reduction_dims)
        raise ExpressionError(f"'=' cannot reduce over {lost}, which the output lacks; use +=, *=, max= or min=")
    unknown = [dim for dim in statement.parallel_dims if not any(dim_read(statement, dim))]
    if unknown and statement.reads:
        raise ExpressionError(f"no input has the dimension {unknown[0]}, so its size is unknown")


def dim_read(statement: TensorExpression, dim: str) -> Iterator[bool]:
    """Whether each index term of the inputs uses `dim`."""
    for access in statement.reads:
        for index in access.indices:
            for term in index.terms:
                yield term.dim == dim


def check_ranks(statement: TensorExpression) -> None:
    """Every tensor is used with one rank."""
    ranks: dict[str, int] = {}
    for access in statement.reads:
        rank = ranks.setdefault(access.tensor, len(access.indices))
        if rank != len(access.indices):
            raise ExpressionError(f"{access.tensor} is read with {rank} and with {len(access.indices)} indices")
