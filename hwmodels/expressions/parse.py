"""Text of a tensor expression to its typed tree, with errors that point at the column."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from stratagem.hwmodels.expressions.build import Builder
from stratagem.hwmodels.expressions.errors import ExpressionError
from stratagem.hwmodels.expressions.tree import TensorExpression

if TYPE_CHECKING:
    from lark import Lark

# Bounds that nobody meets by hand and that keep the parser quick on hostile text.
LONGEST = 500  # characters
DEEPEST = 24  # brackets inside brackets


@lru_cache(maxsize=1)
def parser() -> Lark:
    """The parser, built on first use."""
    from lark import Lark

    grammar = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


@lru_cache(maxsize=1024)
def parse_expression(text: str) -> TensorExpression:
    """Parse and check one tensor expression; ExpressionError says what is wrong and where."""
    from lark.exceptions import UnexpectedEOF, UnexpectedInput, UnexpectedToken

    refuse_oversize(text)
    try:
        tree = parser().parse(text)
    except UnexpectedInput as error:
        token = error.token if isinstance(error, UnexpectedToken) else None
        ended = isinstance(error, UnexpectedEOF) or (token is not None and token.type == "$END")
        column = len(text) + 1 if ended else error.column
        rest = text[column - 1 :].split()
        found = f"{rest[0]!r} is out of place" if rest else "the expression ends too early"
        raise ExpressionError(f"column {column}: {found} in the expression {text!r}", column) from None
    return Builder().statement(tree)


def refuse_oversize(text: str) -> None:
    """ExpressionError for text longer or more deeply nested than is read."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression has {len(text)} characters; at most {LONGEST} are read")
    depth = deepest = 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise ExpressionError(f"brackets nested {deepest} deep; at most {DEEPEST} are read")
