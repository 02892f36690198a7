"""ONNX's own test cases for single operators: each is right, or refused by name. None is wrong, none crashes."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

from tests.conformance.compare import Array, difference
from tests.conformance.outcome import Outcome, Verdict
from tests.conformance.pool import outcomes
from tests.conformance.suites import onnx_node

LEAST_RIGHT = 1750
"""Of some 1,880; the rest are strings, sequences, random numbers and results of unknown number."""
LEAST_COMPILED = 155
SECONDS = 300
"""For one case, on a machine that does other things as well."""


@pytest.fixture(scope="module")
def interpreted() -> list[Outcome]:
    cases = [("onnx-node-interpreted", name) for name in onnx_node.names()]
    return list(outcomes(cases, os.cpu_count() or 1, SECONDS))


@pytest.fixture(scope="module")
def compiled() -> list[Outcome]:
    """Compiled code, for integers: what the interpreter computes by numpy's rules is up to the code there."""
    cases = [("onnx-node", name) for name in onnx_node.names() if onnx_node.on_integers(name)]
    return list(outcomes(cases, os.cpu_count() or 1, SECONDS))


def _bad(found: list[Outcome]) -> dict[str, str]:
    return {o.case: o.reason for o in found if o.verdict in (Verdict.WRONG, Verdict.CRASHED)}


def test_every_case_is_right_or_refused(interpreted: list[Outcome]) -> None:
    assert not _bad(interpreted)


def test_most_cases_are_right(interpreted: list[Outcome]) -> None:
    assert Counter(o.verdict for o in interpreted)[Verdict.PASSED] >= LEAST_RIGHT


def test_compiled_code_is_right_for_integers(compiled: list[Outcome]) -> None:
    assert not _bad(compiled)
    assert Counter(o.verdict for o in compiled)[Verdict.PASSED] >= LEAST_COMPILED


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (np.array([-1], np.int8), np.array([255], np.uint8)),
        (np.array([1], np.int32), np.array([1], np.int64)),
        (np.array([1.0], np.float32), np.array([1.1], np.float32)),
        (np.array([[1.0]], np.float32), np.array([1.0], np.float32)),
        (np.array([2], np.uint8), np.array([3], np.uint8)),
    ],
)
def test_the_comparison_sees_type_shape_and_value(got: Array, want: Array) -> None:
    assert not difference(want, want) and difference(got, want)
