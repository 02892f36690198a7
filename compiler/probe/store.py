"""The calibration of this machine: written as a file, kept beside the compile cache, laid over the description."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from stratagem.compiler import cache
from stratagem.hwmodels import Device, System, load_calibration
from stratagem.hwmodels.assemble import system_of_device
from stratagem.hwmodels.calibrate import calibrated
from stratagem.hwmodels.dump import yaml_text
from stratagem.hwmodels.probe import Facts, read_facts
from stratagem.runtime.container import replacing
from stratagem.runtime.version import VERSION

if TYPE_CHECKING:
    from stratagem.compiler.probe.measure import Found

DIGITS = 5
"""Significant digits of what is written."""


def calibration_path() -> Path | None:
    """Where the calibration of this machine is kept, by its processor, caches and usable processors; None without a
    cache folder."""
    folder = cache.folder()
    return folder / "calibration" / f"cpu-{_identity(read_facts())}.yaml" if folder is not None else None


def with_calibration(machine: System) -> System:
    """This machine's description with what was measured of it, where a probe was made; else as it is.

    Raises HardwareFileError when the file does not fit.
    """
    path = calibration_path()
    if path is None or not path.exists():
        return machine
    return system_of_device(calibrated(machine.members[machine.host].device, load_calibration(path)))


def write_calibration(path: Path, device: Device, found: Found) -> None:
    """Writes what was measured; all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(yaml_text([calibration_document(device, found)]).encode())


def calibration_document(device: Device, found: Found) -> dict[str, object]:
    """The file as plain data, with units."""
    samples = [
        {
            "unit": share.unit,
            "function": "matmul",
            "dtype": "f32",
            "size": list(share.size),
            "utilisation": _number(share.utilisation),
            "time": _text(share.seconds, "s"),
        }
        for share in found.samples
    ]
    return {
        "hw": 1,
        "calibration": f"{device.name}-measured",
        "device": device.name,
        "source": {"kind": "measured", "note": "stratagem hw probe --measure", "retrieved": str(date.today())},
        "versions": {"stratagem": VERSION},
        "launch": _text(found.launch, "s"),
        "units": [
            {"unit": unit, "dtype": dtype, "rate": _text(rate, "op/s")} for (unit, dtype), rate in found.units.items()
        ],
        "levels": [
            {
                "level": name,
                "bandwidth": _text(rate, "B/s"),
                "latency": _text(found.latency[name], "s"),
                **({"size": f"{found.size[name]} B"} if name in found.size else {}),
            }
            for name, rate in found.bandwidth.items()
        ],
        "scaling": [{"threads": n, "speedup": _number(gain)} for n, gain in sorted(found.scaling.items())],
        "samples": samples,
    }


def _identity(facts: Facts) -> str:
    """What a measurement belongs to; not the clock and the free memory, which change from reading to reading."""
    parts = [facts.machine, facts.cores, facts.threads, [vars(c) for c in facts.caches], sorted(facts.flags)]
    return cache.key(json.dumps(parts))[:12]


def _number(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _text(value: float, unit: str) -> str:
    return f"{value:.{DIGITS}g} {unit}"
