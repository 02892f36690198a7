"""Simulations as people read them, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from stratagem.compiler.cost.model import Model
from stratagem.compiler.cost.simulate import Simulation, Span
from stratagem.compiler.cost.workload import Workload
from stratagem.hwmodels.describe import table
from stratagem.hwmodels.units import format_quantity

FAILED = "no plan"
SHOWN = 3  # influences told in the table's notes


def utilisation(model: Model, workload: Workload, simulation: Simulation, mode: str) -> float:
    """Model FLOPs utilisation: products of the model itself (recomputation left out) over what the device's units do
    at their full rate, arXiv:2205.05198, section 6.3."""
    device = model.system.members[model.member].device
    unit = device.unit_for("matmul", workload.dtype)
    peak = device.unit_rate(unit, workload.dtype) if unit else 0.0
    passes = 3 if mode == "training" else 1
    work = passes * workload.flops * simulation.plan.batch
    return work / (simulation.devices * peak * simulation.cost.seconds)


def lines(
    model: Model, workload: Workload, batch: int, mode: str, results: Sequence[tuple[int, Simulation | str]]
) -> Iterator[str]:
    """The table, what does not fit, and what the numbers rest on."""
    system = model.system
    kind = f"{workload.parameters / 1e9:.3g} billion parameters, {workload.dtype}"
    yield f"{workload.name} ({kind}), {mode}, batch {batch}, on '{model.member}' of {system.name}"
    yield ""
    head = ("devices", "plan", "step", "range", "compute", "memory", "network", "wait", "MFU", "GB/device", "energy")
    rows: list[tuple[str, ...]] = [(*head, "money", "carbon")]
    rows += [_row(model, workload, mode, devices, result) for devices, result in results]
    yield from table(rows)
    good = [result for _, result in results if isinstance(result, Simulation)]
    yield from _notes(results, good)


def _row(model: Model, workload: Workload, mode: str, devices: int, result: Simulation | str) -> tuple[str, ...]:
    if isinstance(result, str):
        return (str(devices), FAILED, *[""] * 11)
    cost = result.cost
    parts = (cost.compute, cost.memory, cost.network, cost.wait)
    return (
        str(devices),
        result.plan.text() + ("" if cost.fits else " (does not fit)"),
        format_quantity(cost.seconds, "s", digits=3),
        f"{result.seconds.low / cost.seconds - 1:+.0%} {result.seconds.high / cost.seconds - 1:+.0%}",
        *(f"{part / cost.seconds:.0%}" for part in parts),
        f"{utilisation(model, workload, result, mode):.0%}",
        f"{cost.memory_bytes / 1e9:.1f}",
        _amount(result.joules, "J"),
        _amount(result.dollars, "USD"),
        _amount(result.kilograms, "kg"),
    )


def _amount(span: Span | str, base: str) -> str:
    if isinstance(span, str):
        return "?"
    if base == "kg":
        return format_quantity(span.value * 1000, "g", digits=3)
    return format_quantity(span.value, base, digits=3)


def _notes(results: Sequence[tuple[int, Simulation | str]], good: Sequence[Simulation]) -> Iterator[str]:
    yield ""
    for devices, result in results:
        if isinstance(result, str):
            yield f"{devices}: {result}"
        elif not result.cost.fits:
            need, have = result.cost.memory_bytes / 1e9, result.cost.capacity / 1e9
            yield f"{devices}: no plan fits; the smallest needs {need:.1f} GB of {have:.1f} GB on each device"
    missing = dict.fromkeys(a for r in good for a in (r.joules, r.dollars, r.kilograms) if isinstance(a, str))
    for sentence in missing:
        yield f"?: {sentence}"
    for result in dict.fromkeys((*good[:1], *good[-1:])):
        weakest = result.weakest or None
        yield f"{result.devices}: least trusted: {weakest if weakest else 'no number with a range is felt'}"
        for item in result.influences[:SHOWN]:
            yield f"{result.devices}: {item.slower:+.1%} if {item.figure} is at its bad end"


def facts(
    model: Model, workload: Workload, batch: int, mode: str, results: Sequence[tuple[int, Simulation | str]]
) -> dict[str, Any]:
    """Everything as plain data: seconds, bytes, joules, kilograms, dollars."""
    return {
        "model": workload.name,
        "parameters": workload.parameters,
        "dtype": workload.dtype,
        "mode": mode,
        "batch": batch,
        "system": model.system.name,
        "member": model.member,
        "results": [_fact(model, workload, mode, devices, result) for devices, result in results],
    }


def _fact(model: Model, workload: Workload, mode: str, devices: int, result: Simulation | str) -> dict[str, Any]:
    if isinstance(result, str):
        return {"devices": devices, "refused": result}
    cost = result.cost
    samples = result.plan.batch / cost.seconds
    return {
        "devices": devices,
        "plan": asdict(result.plan),
        "fits": cost.fits,
        "seconds": asdict(result.seconds),
        "split": {"compute": cost.compute, "memory": cost.memory, "network": cost.network, "wait": cost.wait},
        "memory_bytes": cost.memory_bytes,
        "capacity": cost.capacity,
        "samples_per_second": samples,
        "elements_per_second": samples * workload.elements,
        "utilisation": utilisation(model, workload, result, mode),
        "joules": _span(result.joules),
        "dollars": _span(result.dollars),
        "kilograms": _span(result.kilograms),
        "least_trusted": str(result.weakest) if result.weakest else None,
        "influences": [
            {"key": i.figure.key, "kind": i.figure.origin.kind, "slower": i.slower} for i in result.influences
        ],
        "plans_tried": result.tried,
    }


def _span(span: Span | str) -> dict[str, Any]:
    return {"missing": span} if isinstance(span, str) else asdict(span)
