"""Calibration files: read, checked against their device, and laid over it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from stratagem.hwmodels.assemble import device_from, device_of
from stratagem.hwmodels.checks.report import problem
from stratagem.hwmodels.checks.source import source_problems
from stratagem.hwmodels.errors import HardwareFileError, Problem
from stratagem.hwmodels.locate import Document, find
from stratagem.hwmodels.model import MEMORY_KINDS, Calibration, Device, LevelSample, Sample
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node, node_of
from stratagem.hwmodels.origins import Origins, source_of
from stratagem.hwmodels.resolve import resolve
from stratagem.hwmodels.schema.calibration import CalibrationFile
from stratagem.hwmodels.schema.validate import validate


def calibration_from(document: Document) -> Calibration:
    """The calibration of a document; HardwareFileError where it does not fit its device."""
    root = resolve(document).root
    record, problems = validate(CalibrationFile, root)
    if record is None:
        raise HardwareFileError(problems)
    device = device_from(find(record.device, document, root.at(("device",)).place, "device"))
    problems += [*calibration_problems(record, root, device), *source_problems(root)]
    if problems:
        raise HardwareFileError(problems)
    return build_calibration(record, root, device)


def build_calibration(record: CalibrationFile, root: Node, device: Device) -> Calibration:
    """The calibration of a valid document, cycles turned into seconds by the device's clock."""
    origins = Origins(root, device.clock)
    return Calibration(
        record.calibration,
        record.device,
        tuple(
            Sample(
                entry.unit,
                entry.function,
                entry.dtype,
                tuple(entry.size),
                entry.utilisation.quantity.value,
                origins.number(entry.time, "samples", n, "time"),
            )
            for n, entry in enumerate(record.samples)
        ),
        rates_of(record, origins),
        {
            entry.level: LevelSample(
                origins.number(entry.bandwidth, "levels", n, "bandwidth"),
                origins.number(entry.latency, "levels", n, "latency"),
                int(origins.number(entry.size, "levels", n, "size") or 0) or None,
            )
            for n, entry in enumerate(record.levels)
        },
        origins.number(record.launch, "launch"),
        {
            entry.direction: LevelSample(
                origins.number(entry.bandwidth, "links", n, "bandwidth"),
                origins.number(entry.latency, "links", n, "latency"),
            )
            for n, entry in enumerate(record.links)
        },
        {entry.threads: entry.speedup.quantity.value for entry in record.scaling},
        record.versions,
        record.error.quantity.value if record.error else None,
        source_of(root),
    )


def rates_of(record: CalibrationFile, origins: Origins) -> dict[str, dict[str, float]]:
    """Unit -> dtype -> op/s of all copies."""
    found: dict[str, dict[str, float]] = {}
    for n, entry in enumerate(record.units):
        rate = origins.number(entry.rate, "units", n, "rate")
        if rate is not None:
            found.setdefault(entry.unit, {})[entry.dtype] = rate
    return found


def calibration_problems(record: CalibrationFile, root: Node, device: Device) -> Iterator[Problem]:
    """Names that the device does not have, and files that measure nothing."""
    if not any((record.samples, record.units, record.levels, record.launch, record.links, record.scaling)):
        hint = "give 'samples', 'units', 'levels', 'launch', 'links' or 'scaling'"
        yield problem(root, (), "nothing was measured", hint)
    memories = [level.name for level in device.levels if level.kind in MEMORY_KINDS]
    for n, level in enumerate(record.levels):
        if level.level not in memories:
            hint = did_you_mean(level.level, memories) or f"memories are {', '.join(memories)}"
            yield problem(root, ("levels", n, "level"), f"{device.name} has no memory '{level.level}'", hint)
    units = {unit.name: unit for unit in device.units}
    for n, rate in enumerate(record.units):
        if rate.unit not in units:
            hint = did_you_mean(rate.unit, units) or f"units are {', '.join(units)}"
            yield problem(root, ("units", n, "unit"), f"{device.name} has no unit '{rate.unit}'", hint)
    for n, sample in enumerate(record.samples):
        unit = units.get(sample.unit)
        if unit is None:
            hint = did_you_mean(sample.unit, units) or f"units are {', '.join(units)}"
            yield problem(root, ("samples", n, "unit"), f"{device.name} has no unit '{sample.unit}'", hint)
        elif not device.allows(unit, sample.function, sample.dtype):
            message = f"the unit '{unit.name}' of {device.name} does no {sample.function} on {sample.dtype}"
            yield problem(root, ("samples", n), message)


def calibrated(device: Device, calibration: Calibration) -> Device:
    """The device with what was measured in place of what was declared; the measured numbers say so.

    Shares that large work reaches, pins and rates on sparse weights go with the numbers that they were told beside:
    what was measured was reached. HardwareFileError where the measurements contradict the rest of the description.
    """
    if calibration.device != device.name:
        message = f"it is of '{calibration.device}', and the device is '{device.name}'"
        raise HardwareFileError([problem(node_of({}), (), f"calibration '{calibration.name}': {message}")])
    document = deepcopy(dict(device.document))
    for entry in document["levels"]:
        sample = calibration.levels.get(entry["name"], LevelSample())
        if sample.bandwidth is not None:  # the file tells all pieces together, a description one of them
            one = f"{sample.bandwidth / device.instances(entry['name'])!r} B/s"
            entry["bandwidth"] = inward(entry.get("bandwidth"), measured(one, calibration))
            entry.pop("utilisation", None)
            entry.pop("pins", None)
        if sample.size is not None:
            entry["size"] = measured(f"{sample.size // device.instances(entry['name'])} B", calibration)
        if sample.latency is not None:
            entry["latency"] = inward(entry.get("latency"), measured(f"{sample.latency!r} s", calibration))
    for entry in document["units"]:
        unit = next(u for u in device.units if u.name == entry["name"])
        for dtype, rate in calibration.rates.get(unit.name, {}).items():
            one = f"{rate / device.units_in_device(unit)!r} op/s"
            entry["rate"] = {**entry.get("rate", {}), dtype: measured(one, calibration)}
            for beside in (entry.get("utilisation", {}), entry.get("sparse", {}).get("rate", {})):
                beside.pop(dtype, None)
            document.get("peak", {}).pop(dtype, None)  # it was checked against what is replaced
    if calibration.launch is not None:
        document["launch"] = measured(f"{calibration.launch!r} s", calibration)
    return device_of(node_of(document))


def measured(text: str, calibration: Calibration) -> dict[str, str]:
    """A number that a calibration gives."""
    return {"value": text, "kind": calibration.source.kind, "id": calibration.name}


def inward(before: Any, number: dict[str, str]) -> dict[str, Any]:
    """A measured number in place of another; where directions differ, it is that towards the units."""
    return {**before, "in": number} if isinstance(before, dict) and "in" in before else number
