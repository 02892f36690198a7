"""Calibrations, of this machine and of devices by name: written as files, kept beside the compile cache, laid over the
descriptions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from stratagem.compiler import cache
from stratagem.hwmodels import Member, System, load_calibration
from stratagem.hwmodels.assemble import system_of_device
from stratagem.hwmodels.calibrate import calibrated
from stratagem.hwmodels.digest import system_digest
from stratagem.hwmodels.dump import yaml_text
from stratagem.hwmodels.probe import Facts, read_facts
from stratagem.runtime.container import replacing


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


def device_calibration_path(device: str) -> Path | None:
    """Where the calibration of a device that a description names is kept; None without a cache folder."""
    folder = cache.folder()
    return folder / "calibration" / f"device-{device}.yaml" if folder is not None else None


def with_device_calibrations(machine: System) -> System:
    """A system with what was measured of devices that its members name, where a probe was made; else as it is.

    Raises HardwareFileError when a file does not fit.
    """
    members = {name: _calibrated_member(member) for name, member in machine.members.items()}
    if members == dict(machine.members):
        return machine
    measured = replace(machine, members=members)
    return replace(measured, digest=system_digest(measured))


def _calibrated_member(member: Member) -> Member:
    """Only of devices that `hw probe --target` takes: the name of a CPU's description is not one machine's."""
    path = device_calibration_path(member.device.name)
    if member.device.backend != "gpu" or path is None or not path.exists():
        return member
    return replace(member, device=calibrated(member.device, load_calibration(path)))


def write_calibration(path: Path, document: dict[str, Any]) -> None:
    """Writes a calibration; all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(yaml_text([document]).encode())


def _identity(facts: Facts) -> str:
    """What a measurement belongs to; not the clock and the free memory, which change from reading to reading."""
    parts = [facts.machine, facts.cores, facts.threads, [vars(c) for c in facts.caches], sorted(facts.flags)]
    return cache.key(json.dumps(parts))[:12]
