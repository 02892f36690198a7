"""A calibration file as plain data, with units. Needs nothing but Python, as `found.py`."""

from __future__ import annotations

from datetime import date
from typing import Any

from stratagem.compiler.probe.found import Found
from stratagem.runtime.version import VERSION

DIGITS = 5
"""Significant digits of what is written."""


def calibration_document(device: str, found: Found, note: str, kind: str = "measured") -> dict[str, Any]:
    """The file of a device. `note`: what measured it, and where; `kind`: measured, or simulated."""
    document: dict[str, Any] = {
        "hw": 1,
        "calibration": f"{device}-{kind}",
        "device": device,
        "source": {"kind": kind, "note": note, "retrieved": str(date.today())},
        "versions": {"stratagem": VERSION},
        "launch": _text(found.launch, "s"),
        "units": [
            {"unit": unit, "dtype": dtype, "rate": _text(rate, "op/s")} for (unit, dtype), rate in found.units.items()
        ],
        "levels": [_level(found, name) for name in found.bandwidth],
        "scaling": [{"threads": n, "speedup": _number(gain)} for n, gain in sorted(found.scaling.items())],
        "links": [
            {"direction": way, "bandwidth": _text(link.bandwidth, "B/s"), "latency": _text(link.latency, "s")}
            for way, link in found.links.items()
        ],
        "samples": [
            {
                "unit": share.unit,
                "function": "matmul",
                "dtype": share.dtype,
                "size": list(share.size),
                "utilisation": _number(share.utilisation),
                "time": _text(share.seconds, "s"),
            }
            for share in found.samples
        ],
    }
    return {key: value for key, value in document.items() if value != []}


def _level(found: Found, name: str) -> dict[str, str]:
    level = {"level": name, "bandwidth": _text(found.bandwidth[name], "B/s")}
    if name in found.latency:
        level["latency"] = _text(found.latency[name], "s")
    if name in found.size:
        level["size"] = f"{found.size[name]} B"
    return level


def _number(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _text(value: float, unit: str) -> str:
    return f"{value:.{DIGITS}g} {unit}"
