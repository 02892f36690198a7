"""A calibration as people read it, and the same as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from stratagem.hwmodels.describe import Rows, shown, table
from stratagem.hwmodels.model import Calibration


def calibration_facts(calibration: Calibration) -> dict[str, Any]:
    """Everything about a calibration in base units, with the derived leave-one-out error."""
    return {**asdict(calibration), "leave_one_out": calibration.leave_one_out()}


def calibration_lines(calibration: Calibration) -> Iterator[str]:
    """A calibration as text."""
    kind = "" if calibration.source.kind == "measured" else f" ({calibration.source.kind}, not measured)"
    versions = ", ".join(f"{name} {version}" for name, version in calibration.versions.items())
    yield f"{calibration.name}: of {calibration.device}{kind}" + (f"; {versions}" if versions else "")
    stated = "" if calibration.error is None else f" (the file states {calibration.error:.1%})"
    derived = calibration.leave_one_out()
    yield f"leave-one-out error: {'too few samples' if derived is None else f'{derived:.1%}'}{stated}"
    if calibration.launch is not None:
        yield f"launch: {shown(calibration.launch, 's')}"
    for direction, link in calibration.links.items():
        way = "host to device" if direction == "in" else "device to host"
        yield f"{way}: {shown(link.bandwidth, 'B/s')}, {shown(link.latency, 's')}"
    if calibration.scaling:
        yield "speed over one thread: " + ", ".join(f"{n}: {gain:.3g}" for n, gain in calibration.scaling.items())
    if calibration.levels:
        rows: Rows = [("level", "bandwidth of all", "latency", "size of all")]
        rows += [
            (name, shown(level.bandwidth, "B/s"), shown(level.latency, "s"), shown(level.size, "B"))
            for name, level in calibration.levels.items()
        ]
        yield ""
        yield from table(rows)
    if calibration.rates:
        rates = [(f"{unit} {dtype}", rate) for unit, each in calibration.rates.items() for dtype, rate in each.items()]
        yield ""
        yield from table([("unit", "rate of all"), *((name, shown(rate, "op/s")) for name, rate in rates)])
    if calibration.samples:
        rows = [("unit", "function", "dtype", "size", "share of peak", "time")]
        rows += [
            (
                sample.unit,
                sample.function,
                sample.dtype,
                " x ".join(map(str, sample.size)),
                f"{sample.utilisation:.1%}",
                shown(sample.time, "s"),
            )
            for sample in calibration.samples
        ]
        yield ""
        yield from table(rows)
