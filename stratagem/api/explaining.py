"""What an artifact tells about a compile: its kernels, where its time and memory go, and what is proved of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stratagem.runtime.container import Container
from stratagem.runtime.errors import UsageError
from stratagem.runtime.signature import Signature

if TYPE_CHECKING:
    from stratagem.api.profiling import Measured
    from stratagem.api.sizing import Work
    from stratagem.compiler.schedule.describe import KernelSummary

KERNEL_LEVELS = ("system", "device")
"""Levels whose IR names kernels in the form that is summarised, the best one first."""


@dataclass(frozen=True)
class Loop:
    """One loop nest over tiles: the tier or memory level it serves, extents (None: known at run time) and steps."""

    where: str
    extents: tuple[int | None, ...]
    steps: tuple[int, ...]

    def __str__(self) -> str:
        extents = "x".join("?" if n is None else str(n) for n in self.extents)
        return f"{self.where} {'x'.join(map(str, self.steps))} of {extents}"


@dataclass(frozen=True)
class KernelFacts:
    """One kernel: the compiler's summary, the member that runs it and that one's backend, its loops, the units that
    could have run it, what the backend reported of its code (empty before code), and its times where it was measured;
    `share` is then its part of the time of all kernels."""

    summary: KernelSummary
    member: str
    loops: tuple[Loop, ...]
    candidates: tuple[str, ...]
    backend: str = ""
    code: Mapping[str, Any] = field(default_factory=dict)
    measured: Measured | None = None
    share: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Numbers are of one call: `operations` counts arithmetic, `bytes` what inputs and outputs hold."""
        s = self.summary
        loops = [{"where": loop.where, "extents": list(loop.extents), "steps": list(loop.steps)} for loop in self.loops]
        return {
            "name": s.name,
            "function": s.function,
            "class": s.device,
            "unit": s.unit,
            "member": self.member,
            "backend": self.backend,
            "candidates": list(self.candidates),
            "reason": s.reason,
            "calls": s.calls,
            "loops": loops,
            "operations": s.operations,
            "bytes": s.bytes,
            "claimed": s.claimed,
            "estimated": s.estimate.to_json() if s.estimate else None,
            **({"offer": s.offer.to_json()} if s.offer else {}),
            "code": dict(self.code),
            **({"measured": {**self.measured.to_json(), "share": self.share}} if self.measured else {}),
        }

    def lines(self) -> list[str]:
        """The kernel's paragraph."""
        s = self.summary
        place = "/".join(p for p in (s.device, s.unit) if p)
        member = f" of {self.member}" if self.member else ""
        head = f"  {s.name}: {s.function} on {place}{member}, {s.calls} call{'s' * (s.calls != 1)}"
        work = [f"{_short(n)}{unit}" for n, unit in ((s.operations, "op"), (s.bytes, "B")) if n is not None]
        rows = [
            ("tiles", "; ".join(map(str, self.loops))),
            ("work", ", ".join(work) or "depends on sizes known at run time (--size says for which)"),
            ("claims", ", ".join(f"{_short(n)}B in {level}" for level, n in s.claimed.items())),
            ("could run on", ", ".join(c for c in self.candidates if c != place)),
            ("done by", str(s.offer) if s.offer else ""),
            ("because", s.reason),
            ("estimated", str(s.estimate) if s.estimate else ""),
            ("measured", f"{self.measured}, {self.share:.1%} of all kernels" if self.measured else ""),
            ("code", self._emitted()),
            *(("", line) for line in _fact_lines(self.code)),
        ]
        return [head, *(f"    {label:13s}{text}" for label, text in rows if text)]

    def _emitted(self) -> str:
        files = ", ".join(self.code.get("emitted", ()))
        return f"{files} by {self.backend}" if files else ""


def _fact_lines(facts: Mapping[str, Any]) -> list[str]:
    """What a backend reported besides file names: numbers in one line, then a line per list or group, by name."""
    plain = {k: v for k, v in facts.items() if not isinstance(v, list | dict)}
    lines = [", ".join(f"{name} {_figure(value)}" for name, value in plain.items())]
    for name, value in facts.items():
        if isinstance(value, list) and name != "emitted":
            lines.append(f"{name}: {'; '.join(map(str, value))}" if value else "")
        if isinstance(value, dict):
            lines += [f"{inner}: {line}" for inner, group in value.items() for line in _fact_lines(group) if line]
    return [line for line in lines if line]


def _figure(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Explanation:
    """Everything `explain` found; `seconds` is of the whole compile, `timings` holds (stage, pass, seconds)."""

    target: str
    until: str
    ranks: int
    level: str
    kernels: tuple[KernelFacts, ...]
    parameter_bytes: int
    arena_bytes: int
    timings: tuple[tuple[str, str, float], ...]
    seconds: float
    verdict: str
    assurance: tuple[str, ...] = ()

    def totals(self) -> dict[str, int | None]:
        """Sums over all calls; None where the sizes of some kernel are only known at run time."""
        summaries = [k.summary for k in self.kernels]
        return {
            "kernels": len(summaries),
            "calls": sum(s.calls for s in summaries),
            "operations": _total([(s.operations, s.calls) for s in summaries]),
            "bytes": _total([(s.bytes, s.calls) for s in summaries]),
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "until": self.until,
            "ranks": self.ranks,
            "level": self.level,
            "kernels": [k.to_json() for k in self.kernels],
            "totals": self.totals(),
            "parameter_bytes": self.parameter_bytes,
            "arena_bytes": self.arena_bytes,
            "timings": [{"stage": s, "pass": p, "seconds": t} for s, p, t in self.timings],
            "seconds": self.seconds,
            "assurance": self.verdict,
            "assurance_by_level": list(self.assurance),
        }

    def to_text(self) -> str:
        ranks = f", {self.ranks} ranks" if self.ranks > 1 else ""
        lines = [f"compiled for {self.target}{ranks}, until {self.until}, in {self.seconds:.2f} s"]
        lines += ["", f"kernels (from level {self.level})" if self.level else "kernels: none, it was not taken to them"]
        for kernel in self.kernels:
            lines += kernel.lines()
        lines += ["", *self._sums(), "", "passes", *self._passes(), "", f"assurance  {self.verdict}"]
        lines += [f"  {line}" for line in self.assurance]
        return "\n".join(lines)

    def _sums(self) -> list[str]:
        totals = self.totals()
        work = [f"{_short(n)}{u}" for n, u in ((totals["operations"], "op"), (totals["bytes"], "B")) if n is not None]
        return [
            f"total      {totals['kernels']} kernels, {totals['calls']} calls" + "".join(f", {w}" for w in work),
            f"memory     parameters {_short(self.parameter_bytes)}B, arena {_short(self.arena_bytes)}B",
        ]

    def _passes(self) -> list[str]:
        rows = [(f"{stage}/{name}", seconds) for stage, name, seconds in self.timings]
        rows.append(("checks and code", max(0.0, self.seconds - sum(t for _, t in rows))))
        return [f"  {name:34s}{seconds * 1e3:10.1f} ms" for name, seconds in rows]


def explain(
    container: Container,
    shapes: Mapping[str, Sequence[int]] | None = None,
    measured: Mapping[str, Measured] | None = None,
) -> Explanation:
    """Reads an artifact's kernels, timings, memory and assurance.

    Args:
        shapes: shapes of inputs with free dimensions, by name; without them the work of kernels that depends on
            free sizes is left out.
        measured: times of kernels by name, from `profiling.measure_kernels`.

    Raises:
        ArtifactError: the artifact cannot be read. UsageError: shapes of no input, or for a program of several ranks.
        RuntimeInputError: a shape does not fit.
    """
    from stratagem.compiler.checks.verdicts import AssuranceReport

    manifest = container.manifest
    level = next((name for name in KERNEL_LEVELS if name in manifest["levels"]), "")
    report = AssuranceReport.from_json(json.loads(container.text("report.json")))
    return Explanation(
        target=manifest["target"],
        until=manifest["until"],
        ranks=int(manifest["ranks"]),
        level=level,
        kernels=_with_times(_kernels(container, level, shapes) if level else (), measured or {}),
        parameter_bytes=container.members["params.safetensors"].size,
        arena_bytes=int(manifest["arena_bytes"]),
        timings=tuple((stage, name, float(seconds)) for stage, name, seconds in manifest["timings"]),
        seconds=float(manifest["seconds"]),
        verdict=report.verdict_line(),
        assurance=tuple(report.summary()),
    )


def _with_times(kernels: Iterable[KernelFacts], measured: Mapping[str, Measured]) -> tuple[KernelFacts, ...]:
    """The kernels with their times, the one that takes longest first; as they are where nothing was measured."""
    total = sum(times.total for times in measured.values())
    timed = [
        replace(k, measured=measured[k.summary.name], share=measured[k.summary.name].total / total)
        if k.summary.name in measured and total
        else k
        for k in kernels
    ]
    return tuple(sorted(timed, key=lambda kernel: -kernel.share))


def _kernels(container: Container, level: str, shapes: Mapping[str, Sequence[int]] | None) -> tuple[KernelFacts, ...]:
    from stratagem.compiler.artifact import backend_reports
    from stratagem.compiler.ir import find_function, parse_module
    from stratagem.compiler.schedule.describe import describe

    module, reports = parse_module(container.text(f"levels/{level}.mlir")), backend_reports(container)
    members = _members(module)
    works = _works(container, module, shapes) if shapes else {}
    facts = []
    for summary in describe(module):
        function, member = find_function(module, summary.name), members.get(summary.name, "")
        backend = container.manifest["members"][member]["backend"] if member else ""
        code = reports.get(member, {}).get("kernels", {}).get(summary.name, {})
        if calls := works.get(summary.name):
            summary = replace(
                summary, operations=_agreed(c.operations for c in calls), bytes=_agreed(c.bytes for c in calls)
            )
        facts.append(KernelFacts(summary, member, _loops(function), _candidates(function), backend, code))
    return tuple(facts)


def _works(container: Container, module: Any, shapes: Mapping[str, Sequence[int]]) -> dict[str, list[Work]]:
    from stratagem.api.sizing import work_of_calls

    signature = Signature.from_json(container.manifest["signature"])
    if unknown := shapes.keys() - {spec.name for spec in signature.inputs}:
        takes = "; ".join(map(str, signature.inputs)) or "none"
        raise UsageError(f"there is no input '{min(unknown)}'", hint=f"inputs: {takes}")
    if int(container.manifest["ranks"]) > 1:
        raise UsageError("sizes can be given for programs of one rank", hint="explain it without --size")
    return work_of_calls(module, signature, shapes)


def _agreed(numbers: Iterable[int | None]) -> int | None:
    """The number that is the same for all calls, None where it differs."""
    first, *others = numbers
    return first if all(n == first for n in others) else None


def _members(module: Any) -> dict[str, str]:
    """Kernel -> the member its calls are placed on."""
    from stratagem.compiler.ir import walk

    return {
        str(op.attributes["callee"]).lstrip("@"): str(op.attributes["system.member"]).strip('"')
        for op in walk(module.operation)
        if op.name == "func.call" and "system.member" in op.attributes
    }


def _candidates(function: Any) -> tuple[str, ...]:
    from torch_mlir import ir

    claim = ir.DictAttr(function.attributes["device.kernel"])
    entries = ir.ArrayAttr(claim["candidates"]) if "candidates" in claim else ()
    return tuple(str(ir.StringAttr(e).value) for e in entries)


def _loops(function: Any) -> tuple[Loop, ...]:
    """The loops over tiles, outer first; a nest that repeats (one per output or phase) counts once."""
    from stratagem.compiler.ir import walk

    return tuple(dict.fromkeys(loop for op in walk(function) if (loop := _loop(op)) is not None))


def _loop(op: Any) -> Loop | None:
    if op.name == "scf.forall":
        extents = tuple(None if _is_dynamic(n) else n for n in _static(op, "staticUpperBound"))
        return Loop(_text(op, "device.tier"), extents, _static(op, "staticStep"))
    if op.name == "scf.for" and "device.level" in op.attributes:
        step = _constant(op.operands[2])
        return None if step is None else Loop(_text(op, "device.level"), (_constant(op.operands[1]),), (step,))
    return None


def _static(op: Any, name: str) -> tuple[int, ...]:
    from torch_mlir import ir

    return tuple(ir.DenseI64ArrayAttr(op.attributes[name]))


def _is_dynamic(extent: int) -> bool:
    from stratagem.compiler.ir import DYNAMIC

    return bool(extent == DYNAMIC)


def _constant(value: Any) -> int | None:
    """The number behind an index value, None when it is computed."""
    from torch_mlir import ir

    if isinstance(value.owner, ir.Block) or value.owner.name != "arith.constant":
        return None
    return int(ir.IntegerAttr(value.owner.attributes["value"]).value)


def _text(op: Any, key: str) -> str:
    return str(op.attributes[key]).strip('"') if key in op.attributes else "?"


def _total(counts: list[tuple[int | None, int]]) -> int | None:
    total = 0
    for each, calls in counts:
        if each is None:
            return None
        total += each * calls
    return total


def _short(number: float) -> str:
    """`1234567` -> `1.23 M`."""
    for unit in ("", "k", "M", "G"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} T"
