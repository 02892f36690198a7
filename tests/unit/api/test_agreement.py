"""Which results count as right, how busy others kept the machine, and how much memory a contender had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratagem.api.measure.agreement import ALLOWED, distance
from stratagem.api.measure.busy import Busy, processor_seconds
from stratagem.api.measure.worker import memory, restart_high_water_mark

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("shape", [(1,), (13, 17), (0, 3)])
def test_f32_rounding_passes(shape: tuple[int, ...]) -> None:
    exact = RNG.standard_normal(shape)
    error, wrong = distance([exact.astype(np.float32)], [exact])
    assert not wrong and error < ALLOWED / 5


def test_half_precision_inside_f32_does_not_pass() -> None:
    exact = RNG.standard_normal((64, 64))
    error, wrong = distance([exact.astype(np.float16).astype(np.float32)], [exact])
    assert error > ALLOWED and "of its scale, allowed" in wrong


def test_results_that_are_half_precision_may_be_that_far_off() -> None:
    exact = RNG.standard_normal((64, 64))
    assert not distance([exact.astype(np.float16)], [exact])[1]


def test_one_wrong_element_among_many_is_seen() -> None:
    exact = RNG.standard_normal((100, 100))
    result = exact.astype(np.float32)
    result[97, 3] += 0.01
    assert "result 0 is off by" in distance([result], [exact])[1]


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (np.zeros((3, 2), np.float32), "has shape [3, 2], expected [2, 3]"),
        (np.full((2, 3), np.nan, np.float32), "not finite where the reference is"),
        (np.ones((2, 3), np.int64), "differs"),
    ],
)
def test_what_is_wrong_is_said(result: Any, problem: str) -> None:
    error, wrong = distance([result], [np.zeros((2, 3))])
    assert error == float("inf") and problem in wrong


def test_a_missing_result_is_wrong() -> None:
    assert distance([], [np.zeros(2)]) == (float("inf"), "0 results, expected 1")


def test_infinities_may_agree() -> None:
    exact = np.array([-np.inf, 1.0, 2.0])
    assert not distance([exact.astype(np.float32)], [exact])[1]
    assert distance([np.array([0, 1, 2], np.float32)], [exact])[1]


STAT = """cpu  900 0 0 0 0 0 0 0 0 0
cpu0 100 20 30 1000 500 1 2 40 0 0
cpu1 10 0 0 1000 0 0 0 0 0 0
intr 5"""


def test_busy_seconds_leave_out_waiting_and_other_processors() -> None:
    assert processor_seconds(STAT, frozenset({0}), 100) == 1.93
    assert processor_seconds(STAT, frozenset({0, 1}), 100) == 2.03


def test_busy_is_the_share_that_was_not_ones_own() -> None:
    busy = Busy()
    assert busy.share == 0
    busy.add({"wall": 1.0, "processors": 2, "own": 1.5, "total": 2.0})
    busy.add(None)
    busy.add({"wall": 1.0, "processors": 2, "own": 2.01, "total": 2.0})  # ticks are coarse
    assert busy.share == 0.125


def test_memory_of_this_process_is_read() -> None:
    assert 0 < memory("VmRSS") <= memory("VmHWM")
    with pytest.raises(RuntimeError, match="has no VmNothing"):
        memory("VmNothing")


def test_a_container_may_forbid_to_forget_the_most_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, text: str) -> int:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "write_text", refuse)
    assert not restart_high_water_mark()
