"""ONNX's own test cases for single operators: each is right, or refused by name. None is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from tests.run.onnx.node_cases import Array, agrees, cases, outcomes

LEAST_RIGHT = 1280
"""Of some 1,880; the rest are strings, sequences, small floats, random numbers and results of unknown number."""
LEAST_COMPILED = 100


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[str, bool]]:
    return outcomes(list(cases()))


def test_every_case_is_right_or_refused(found: dict[str, tuple[str, bool]]) -> None:
    wrong = {name: what for name, (what, _) in found.items() if what not in ("right", "refused")}
    assert not wrong


def test_most_cases_are_right(found: dict[str, tuple[str, bool]]) -> None:
    assert sum(what == "right" for what, _ in found.values()) >= LEAST_RIGHT


def test_compiled_code_is_right_for_integers(found: dict[str, tuple[str, bool]]) -> None:
    assert sum(compiled for _, compiled in found.values()) >= LEAST_COMPILED


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
    assert agrees(want, want) and not agrees(got, want)
