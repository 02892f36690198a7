"""Everything about one artifact, as the page takes it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stratagem.report.shell import page, stamp
from stratagem.runtime.container import Container

if TYPE_CHECKING:
    from stratagem.api.profiling import Measured
    from stratagem.compiler.cost.program import ProgramCost
    from stratagem.hwmodels import System

LARGEST = 8_000_000
"""Characters of a level's IR that a page holds."""


@dataclass(frozen=True)
class Costed:
    """A program at level `device`, the system it was compiled for, what a run costs, and measured seconds of its
    calls, None where they are not known."""

    module: Any
    machine: System
    cost: ProgramCost
    times: list[float | None]


def cost_of(container: Container, measured: Mapping[str, Measured] | None = None) -> Costed | None:
    """The cost of an artifact's program; None where it was not taken to level `device`.

    Args:
        measured: times of kernels by name, from `profiling.measure_kernels`.
    """
    from stratagem.compiler.artifact import level_text, machine_of
    from stratagem.compiler.cost.program import program_cost
    from stratagem.compiler.ir import parse_module
    from stratagem.report.costs import call_times

    if "device" not in container.manifest["levels"]:
        return None
    machine, module = machine_of(container), parse_module(level_text(container, "device"))
    cost = program_cost(module, machine)
    return Costed(module, machine, cost, call_times(cost, measured or {}))


def program_page(container: Container, costed: Costed | None) -> str:
    """The page of an artifact; without a cost it has hardware, IR and assurance only."""
    from stratagem.compiler.artifact import machine_of
    from stratagem.compiler.checks.verdicts import AssuranceReport
    from stratagem.report.hardware import boxes

    report = AssuranceReport.from_json(json.loads(container.text("report.json")))
    machine = costed.machine if costed else machine_of(container)
    data = {
        "kind": "program",
        "head": _head(container, report.verdict_line(), costed),
        "cost": None,
        "numbers": [],
        "roofs": [],
        "machine": boxes(machine),
        "machine_note": "From the outside in, sizes and bandwidths of one piece each.",
        "levels": list(_levels(container)),
        "assurance": report.to_json(),
        "verdicts": report.counts(),
        **(_costs(container, costed) if costed else {}),
    }
    return page(f"{container.path.stem} on {machine.name}", data)


def _head(container: Container, verdict: str, costed: Costed | None) -> dict[str, Any]:
    manifest = container.manifest
    missing = "It was not taken to level device, where kernels are, so there is no cost." if costed is None else ""
    return {
        "model": container.path.stem,
        "target": manifest["target"],
        "until": manifest["until"],
        "ranks": int(manifest["ranks"]),
        "seconds": float(manifest["seconds"]),
        "parameter_bytes": container.members["params.safetensors"].size,
        "arena_bytes": int(manifest["arena_bytes"]),
        "verdict": verdict,
        "notes": [missing] if missing else [],
        **stamp(),
        "producer": manifest["producer"],
    }


def _costs(container: Container, costed: Costed) -> dict[str, Any]:
    from stratagem.compiler.artifact import tensor_program
    from stratagem.compiler.cost.influence import influences
    from stratagem.report.costs import cost_data, number_data, roof_data

    found = influences(tensor_program(container), costed.machine, costed.cost)
    return {
        "cost": cost_data(costed.cost, found, costed.times),
        "numbers": number_data(costed.machine, costed.cost, found),
        "roofs": roof_data(costed.machine, costed.cost, _dtypes(costed.module)),
    }


def _dtypes(module: Any) -> list[str]:
    """Element types that kernels take; where some are floats, those."""
    from torch_mlir import ir

    from stratagem.compiler.schedule.kernel import kernels

    kinds = [
        str(kind.element_type)
        for function in kernels(module)
        for kind in ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).inputs
        if isinstance(kind, ir.RankedTensorType)
    ]
    floats = [kind for kind in kinds if kind.startswith(("f", "bf"))]
    return list(dict.fromkeys(floats or kinds))


def _levels(container: Container) -> Iterator[dict[str, str]]:
    """IR by level, packed with zlib and in base64; what is too large is cut, and says so."""
    for level in container.manifest["levels"]:
        text = container.text(f"levels/{level}.mlir")
        note = f"{len(text):,} characters"
        if len(text) > LARGEST:
            print_all = f"`stratagem explain {container.path.name} --level {level}` prints all of it"
            note = f"the first {LARGEST:,} of {note}; {print_all}"
        packed = zlib.compress(text[:LARGEST].encode(), 9)
        yield {"name": level, "packed": base64.b64encode(packed).decode(), "note": note}
