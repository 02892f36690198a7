"""Timelines as trace events."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from stratagem.compiler.cost.program import ProgramCost
from stratagem.report.trace import trace

REQUIRED = {"X": {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"}, "M": {"name", "ph", "pid", "tid", "args"}}


def spans(made: dict[str, Any], process: int) -> list[dict[str, Any]]:
    return [event for event in made["traceEvents"] if event["ph"] == "X" and event["pid"] == process]


def test_events_have_the_fields_of_their_phase(cost: ProgramCost) -> None:
    made = trace(cost, [1.0, 2.0, 3.0])
    for event in made["traceEvents"]:
        assert event.keys() == REQUIRED[event["ph"]]
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int)
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_calls_follow_each_other_in_microseconds(cost: ProgramCost) -> None:
    made = spans(trace(cost, [None] * 3), 1)
    assert [event["name"] for event in made] == ["first", "second", "first"]
    assert [event["dur"] for event in made] == [pytest.approx(n) for n in (4.7e6, 2.2e6, 4.7e6)]
    for before, after in itertools.pairwise(made):
        assert after["ts"] == pytest.approx(before["ts"] + before["dur"])
    assert made[1]["args"]["bytes of dram"] == 300 and made[1]["args"]["memory"] == 2.0


def test_devices_are_threads_with_names(cost: ProgramCost) -> None:
    made = trace(cost, [None] * 3)
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in made["traceEvents"] if e["name"] == "thread_name"}
    assert names == {(1, 1): "host", (1, 2): "engine"}
    assert [event["tid"] for event in spans(made, 1)] == [1, 2, 1]


def test_measured_calls_are_a_process_of_their_own(cost: ProgramCost) -> None:
    made = trace(cost, [1.0, 2.0, 3.0])
    assert [(e["ts"], e["dur"]) for e in spans(made, 2)] == [(0.0, 1e6), (1e6, 2e6), (3e6, 3e6)]
    assert {e["args"]["name"] for e in made["traceEvents"] if e["name"] == "process_name"} == {"estimated", "measured"}


def test_a_half_measured_run_is_not_shown_as_measured(cost: ProgramCost) -> None:
    assert not spans(trace(cost, [1.0, None, 3.0]), 2)


def test_a_run_without_calls(cost: ProgramCost) -> None:
    made = trace(ProgramCost((), None, cost.weakest), [])
    assert not spans(made, 1) and not spans(made, 2)
