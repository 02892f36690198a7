"""Verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import compare

VALUE = np.array([1.0, -2.0, 0.0])


def test_within() -> None:
    verdict = compare(VALUE + [0.001, 0.0, 0.0], VALUE, np.full(3, 0.002))
    assert verdict and verdict.ratio == pytest.approx(0.5) and verdict.checked == verdict.total == 3
    assert str(verdict) == "within bound: 3 elements, largest error 0.5 of its bound"


def test_outside_names_the_worst_element() -> None:
    verdict = compare(VALUE + [0.003, 0.0, 0.01], VALUE, np.full(3, 0.002))
    assert verdict.outcome == "outside bound" and verdict.element == (2,)
    assert str(verdict) == "outside bound: element [2]: 0.01, reference 0.0, bound 0.002"


def test_vacuous_bound_is_no_pass() -> None:
    verdict = compare(VALUE, VALUE, np.array([0.0, 0.3, 0.0]))
    assert verdict.outcome == "not checked" and not verdict and verdict.checked == 2 and verdict.element == (1,)
    assert "says nothing about 1 of 3 elements" in str(verdict)


def test_outside_a_loose_bound_is_still_an_error() -> None:
    assert compare(VALUE + 1.0, VALUE, np.full(3, 0.5)).outcome == "outside bound"
    assert compare(VALUE + 1.0, VALUE, np.full(3, np.inf)).outcome == "not checked"


def test_infinities_and_nan_agree_with_themselves_only() -> None:
    value = np.array([np.inf, np.nan, 1.0])
    assert compare(value, value, np.zeros(3))
    assert compare(np.array([np.inf, 0.0, 1.0]), value, np.zeros(3)).outcome == "outside bound"
    assert compare(np.array([-np.inf, np.nan, 1.0]), value, np.zeros(3)).outcome == "outside bound"
    assert compare(np.array([np.inf, np.nan, np.nan]), value, np.zeros(3)).outcome == "outside bound"


def test_integers_and_empty_results() -> None:
    assert compare(np.array([1, 2]), np.array([1, 2]), np.zeros(2))
    assert compare(np.array([1, 3]), np.array([1, 2]), np.zeros(2)).outcome == "outside bound"
    assert compare(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(np.zeros(3), np.zeros(4), np.zeros(4))
