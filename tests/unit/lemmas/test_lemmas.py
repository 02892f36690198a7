"""Every lemma is true, every rewrite has one, and a rewrite without a proved lemma cannot be registered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stratagem.compiler.backends.cpu.elementary import expand_math
from stratagem.compiler.backends.cpu.loops import dots
from stratagem.compiler.lemmas import registry
from stratagem.compiler.lemmas.registry import PROVED, RULES, Rule, rests_on, rewrite
from stratagem.compiler.lemmas.statements import BY_NAME, LEMMAS, Lemma
from stratagem.compiler.schedule import exponentials, merge, panels, prepare, quotients, staging
from stratagem.compiler.sharding import partition
from stratagem.runtime.errors import UsageError
from tests.unit.lemmas.prover import disproof

USERS = (dots, expand_math, exponentials, merge, panels, partition, prepare, quotients, staging)
"""Importing these registers every rewrite."""


@pytest.mark.parametrize("lemma", LEMMAS, ids=lambda lemma: lemma.name)
def test_lemma_is_proved(lemma: Lemma) -> None:
    assert disproof(lemma) is None


def test_what_is_recorded_is_what_was_proved() -> None:
    assert PROVED.read_text() == "".join(f"{lemma.name} {lemma.digest}\n" for lemma in LEMMAS)
    assert len(BY_NAME) == len(LEMMAS)


def test_every_lemma_has_a_use() -> None:
    assert {lemma.name for lemmas in RULES.values() for lemma in lemmas} == set(BY_NAME)


@pytest.mark.parametrize(
    ("claims", "given", "said"),
    [
        (("a - b == b - a",), (), "with ["),
        (("a / b * b == a",), (), "with ["),
        (("max(a, b) == a",), ("a >= b",), None),
        (("exp(a + b) == exp(a) + exp(b)",), (), "with ["),
    ],
)
def test_the_prover_refutes_what_is_wrong(claims: tuple[str, ...], given: tuple[str, ...], said: str | None) -> None:
    found = disproof(Lemma("tried", "", {"a": "real", "b": "real"}, claims, given))
    assert found is None if said is None else found is not None and claims[0] in found


def test_division_of_indices_rounds_down() -> None:
    lemma = Lemma("tried", "", {"i": "int", "n": "int"}, ("i // n * n == i",), ("n >= 1", "i >= 0"))
    assert disproof(lemma) is not None
    assert disproof(replace(lemma, claims=("i // n * n <= i",))) is None


def test_a_lemma_says_no_more_than_the_language() -> None:
    with pytest.raises(ValueError, match="a lemma cannot say"):
        disproof(Lemma("tried", "", {"a": "real"}, ("a.b == 0",)))


@pytest.mark.parametrize("register", [rewrite, rests_on])
def test_a_rule_without_a_lemma_is_refused(register: Any) -> None:
    with pytest.raises(UsageError, match="names no lemma"):
        register()(lambda op: op)
    with pytest.raises(UsageError, match="lemma 'wishful-thinking', which is not stated"):
        register("wishful-thinking")(lambda op: op)


def test_a_lemma_that_was_changed_must_be_proved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(BY_NAME["flat-index"], given=())
    monkeypatch.setitem(BY_NAME, "flat-index", changed)
    with pytest.raises(UsageError, match="not proved as it is stated"):
        rewrite("flat-index")(lambda op: op)


def test_a_registered_rule_applies() -> None:
    @rewrite("flat-index")
    def twice(op: Any) -> Any:
        return op + op

    try:
        assert isinstance(twice, Rule) and twice(3) == 6 and RULES["twice"] == (BY_NAME["flat-index"],)
    finally:
        del RULES["twice"]
    assert registry.proved_lemma("square", "here").name == "square"
