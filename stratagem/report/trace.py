"""Timelines in the trace event format that Perfetto and chrome://tracing read ("Trace Event Format", Google)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stratagem.compiler.cost.program import CallCost, ProgramCost

ESTIMATED, MEASURED = 1, 2
"""Process numbers: each timeline is a process, each device a thread of it."""
MICROSECONDS = 1e6


def trace(cost: ProgramCost, times: Sequence[float | None]) -> dict[str, Any]:
    """Complete events (`ph` "X", `ts` and `dur` in microseconds), one for each call, after each other.

    Args:
        times: measured seconds of each call; where each is known, a second timeline shows them.
    """
    events = list(_timeline(ESTIMATED, "estimated", cost.calls, [call.seconds.total for call in cost.calls]))
    known = [seconds for seconds in times if seconds is not None]
    if known and len(known) == len(cost.calls):
        events += _timeline(MEASURED, "measured", cost.calls, known)
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def _timeline(process: int, name: str, calls: Sequence[CallCost], times: Sequence[float]) -> Iterator[dict[str, Any]]:
    threads = {device: number for number, device in enumerate(dict.fromkeys(call.device for call in calls), 1)}
    yield _named("process_name", process, 0, name)
    for device, thread in threads.items():
        yield _named("thread_name", process, thread, device)
    at = 0.0
    for call, seconds in zip(calls, times, strict=True):
        yield {
            "name": call.kernel,
            "cat": call.function,
            "ph": "X",
            "ts": at * MICROSECONDS,
            "dur": seconds * MICROSECONDS,
            "pid": process,
            "tid": threads[call.device],
            "args": _arguments(call),
        }
        at += seconds


def _named(what: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}


def _arguments(call: CallCost) -> dict[str, Any]:
    """Shown beside an event: estimated seconds by part, bytes by level."""
    parts = {"compute": call.seconds.compute, "memory": call.seconds.memory, "wait": call.seconds.wait}
    bytes_of = {f"bytes of {level}": n for level, n in call.traffic.items()}
    return {"location": call.location, "unit": call.unit, "operations": call.operations, **parts, **bytes_of}
