"""A share of the suites that other projects wrote, compiled and run: none wrong, none crashed, most right.

The whole of them takes hours (`make conformance`, `docs/conformance.md`); ONNX's node cases run whole, by the
interpreter, in `tests/run/onnx/test_node_suite.py`.
"""

from __future__ import annotations

import os

import pytest

from tests.conformance.outcome import Outcome, Verdict
from tests.conformance.pool import outcomes
from tests.conformance.suites import suite
from tests.conformance.table import share

SHARES = {"stablehlo": 40, "jax-harness": 250, "opinfo": 40, "onnx-node": 90}
"""Suite -> every how many cases one is taken."""
SECONDS = 300
SLACK = 0.15
"""How much smaller than the whole suite's the share of right cases may be in so small a sample."""


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    cases = [(name, case) for name, every in SHARES.items() for case in suite(name).names()[every // 2 :: every]]
    return list(outcomes(cases, os.cpu_count() or 1, SECONDS))


def test_none_is_wrong_and_none_crashes(found: list[Outcome]) -> None:
    assert not [o for o in found if o.verdict in (Verdict.WRONG, Verdict.CRASHED)]


@pytest.mark.parametrize("name", SHARES)
def test_most_are_right(found: list[Outcome], name: str) -> None:
    assert share(found, name) >= suite(name).FLOOR - SLACK
