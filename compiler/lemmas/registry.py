"""Rewrites are registered with the lemma that they rest on; without a proved one there is no rewrite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from stratagem.compiler.lemmas.statements import BY_NAME, Lemma
from stratagem.runtime.errors import UsageError

PROVED = Path(__file__).parent / "proved.txt"
"""`lemma digest`, a line per lemma that the tests' prover has proved as it stands."""


Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rule:
    """A rewrite of one operation, and its lemmas. Calling it applies it; it returns the operation's successor, which is
    the operation itself where nothing applies."""

    name: str
    apply: Callable[[Any], Any]

    def __call__(self, op: Any) -> Any:
        return self.apply(op)


RULES: dict[str, tuple[Lemma, ...]] = {}
"""Rewrite -> its lemmas."""


def rewrite(*lemmas: str) -> Callable[[Callable[[Any], Any]], Rule]:
    """Registers the decorated rewrite of one operation. Raises UsageError unless every lemma is stated, and proved as
    it is stated."""

    def register(function: Callable[[Any], Any]) -> Rule:
        return Rule(_register(function, lemmas), function)

    return register


def rests_on(*lemmas: str) -> Callable[[Function], Function]:
    """Registers a function of any other form that changes how something is computed; raises as `rewrite`."""

    def register(function: Function) -> Function:
        _register(function, lemmas)
        return function

    return register


def _register(function: Callable[..., Any], lemmas: tuple[str, ...]) -> str:
    name = function.__name__.strip("_").replace("_", "-")
    if not lemmas:
        raise UsageError(f"rewrite '{name}' names no lemma", hint=f"stated: {_known()}")
    RULES[name] = tuple(proved_lemma(lemma, name) for lemma in lemmas)
    return name


def proved_lemma(name: str, user: str) -> Lemma:
    """The lemma called `name`; raises UsageError, naming its `user`, when there is none or its proof is of another
    statement."""
    lemma = BY_NAME.get(name)
    if lemma is None:
        raise UsageError(f"rewrite '{user}' rests on lemma '{name}', which is not stated", hint=f"stated: {_known()}")
    if _proved().get(name) != lemma.digest:
        raise UsageError(
            f"rewrite '{user}' rests on lemma '{name}', which is not proved as it is stated",
            hint="prove it: python -m tests.unit.lemmas.prover --write",
        )
    return lemma


@cache
def _proved() -> dict[str, str]:
    return dict(line.split() for line in PROVED.read_text().splitlines())


def _known() -> str:
    return ", ".join(BY_NAME)
