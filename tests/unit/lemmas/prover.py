"""Proves the lemmas with z3. `python -m tests.unit.lemmas.prover --write` records what was proved."""

from __future__ import annotations

import ast
import sys
from typing import Any

import z3

from stratagem.compiler.lemmas.registry import PROVED
from stratagem.compiler.lemmas.statements import LEMMAS, Lemma

TIMEOUT = 20_000
"""Milliseconds for one claim; they take a few."""
SORTS: dict[str, Any] = {"real": z3.Real, "int": z3.Int}
EXP = z3.Function("exp", z3.RealSort(), z3.RealSort())
OPERATORS: dict[type, Any] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a / b,  # z3's `/` on integers rounds down for positive divisors
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a**b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}
FUNCTIONS: dict[str, Any] = {
    "max": lambda a, b: z3.If(a >= b, a, b),
    "min": lambda a, b: z3.If(a <= b, a, b),
    "exp": EXP,
    "If": z3.If,
    "And": z3.And,
    "Or": z3.Or,
    "Not": z3.Not,
    "Implies": z3.Implies,
}


class Statement:
    """Reads claims as z3 terms; remembers what `exp` was applied to."""

    def __init__(self, lemma: Lemma) -> None:
        self.variables = {name: SORTS[sort](name) for name, sort in lemma.variables.items()}
        self.powers: list[Any] = []

    def read(self, text: str) -> Any:
        return self._term(ast.parse(text, mode="eval").body)

    def _term(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int() as number):
                return number
            case ast.Name(id=name):
                return self.variables[name]
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATORS[type(op)](self._term(left), self._term(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return OPERATORS[type(op)](self._term(left), self._term(right))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                terms = [self._term(a) for a in arguments]
                self.powers += terms if name == "exp" else []
                return FUNCTIONS[name](*terms)
        raise ValueError(f"a lemma cannot say `{ast.unparse(node)}`")

    def laws(self) -> list[Any]:
        """What is known of `exp`, for the arguments it has."""
        known = [EXP(0) == 1]
        for a in self.powers:
            known += [EXP(a) > 0, EXP(a) * EXP(-a) == 1]
            known += [EXP(a + b) == EXP(a) * EXP(b) for b in self.powers]
        return known


def disproof(lemma: Lemma) -> str | None:
    """None when every claim holds; else the claim, with values that break it or that it was not decided."""
    statement = Statement(lemma)
    given = [statement.read(text) for text in lemma.given]
    for text in lemma.claims:
        claim = statement.read(text)
        solver = z3.Solver()
        solver.set("timeout", TIMEOUT)
        solver.add(*given, *statement.laws(), z3.Not(claim))
        found = solver.check()
        if found != z3.unsat:
            values = f"with {solver.model()}" if found == z3.sat else "was not decided"
            return f"{lemma.name}: `{text}` {values}"
    return None


def write() -> int:
    wrong = [problem for lemma in LEMMAS if (problem := disproof(lemma))]
    for problem in wrong:
        print(problem)
    if not wrong:
        PROVED.write_text("".join(f"{lemma.name} {lemma.digest}\n" for lemma in LEMMAS))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(write() if "--write" in sys.argv else "usage: python -m tests.unit.lemmas.prover --write")
