"""A short account of a program's kernels for people: what each is, where it runs, how it is cut, how much it
does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import symbol_name, walk
from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.estimate import Estimate, read_estimate
from stratagem.compiler.schedule.library import Offer, read_offer


@dataclass(frozen=True)
class Cut:
    """One loop nest of a kernel: the tier whose units share it, or the memory level it stages; steps per
    loop."""

    where: str
    steps: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.where} {'x'.join(map(str, self.steps))}"


@dataclass(frozen=True)
class KernelSummary:
    """One kernel.

    `operations` and `bytes` are of one call, None when sizes are only known at run time. `claimed`: bytes
    per unit and memory level. `reason`: why it runs on the host instead of the target, empty otherwise. `estimate`: of
    one call, None for free sizes and what is not tiled. `offer`: of a library that could do it, if there is one.
    """

    name: str
    device: str
    unit: str
    function: str
    calls: int
    cuts: tuple[Cut, ...]
    operations: int | None
    bytes: int | None
    claimed: dict[str, int]
    reason: str
    estimate: Estimate | None = None
    offer: Offer | None = None

    def __str__(self) -> str:
        place = f"{self.device}/{self.unit}" if self.unit else self.device
        parts = [f"{self.name}: {self.function} on {place}, {self.calls} call{'s' * (self.calls != 1)}"]
        if self.cuts:
            parts.append("tiles " + ", ".join(map(str, self.cuts)))
        if self.operations is not None:
            parts.append(f"{_short(self.operations)}op")
        if self.bytes is not None:
            parts.append(f"{_short(self.bytes)}B")
        if self.offer:
            parts.append(f"done by {self.offer}")
        if self.reason:
            parts.append(f"on the host because {self.reason}")
        return "; ".join(parts)


def describe(module: Any) -> list[KernelSummary]:
    """A summary of every kernel of a module at level `device` or `system`, in order."""
    calls = Counter(str(op.attributes["callee"]).lstrip("@") for op in walk(module.operation) if op.name == "func.call")
    return [_summary(function, calls[symbol_name(function)]) for function in kernel.kernels(module)]


def describe_text(module: Any) -> str:
    """One line per kernel."""
    return "\n".join(map(str, describe(module)))


def _summary(function: Any, calls: int) -> KernelSummary:
    claim, work = kernel.claim(function), _integers(function, "device.work")
    return KernelSummary(
        name=symbol_name(function),
        device=claim.get("class", ""),
        unit=claim.get("unit", ""),
        function=claim.get("function", ""),
        calls=calls,
        cuts=_cuts(function),
        operations=work.get("operations"),
        bytes=work.get("bytes"),
        claimed=_integers(function, "device.bytes"),
        reason=claim.get("reason", ""),
        estimate=read_estimate(function),
        offer=read_offer(function),
    )


def _integers(function: Any, key: str) -> dict[str, int]:
    if key not in function.attributes:
        return {}
    entries = [(e.name, e.attr.maybe_downcast()) for e in ir.DictAttr(function.attributes[key])]
    return {name: int(value.value) for name, value in entries if isinstance(value, ir.IntegerAttr)}


def _cuts(function: Any) -> tuple[Cut, ...]:
    """The loops in order; the same nest twice (one per output or phase) counts once."""
    found: list[Cut] = []
    for op in walk(function):
        cut = _cut(op)
        if cut is not None and cut not in found:
            found.append(cut)
    return tuple(found)


def _cut(op: Any) -> Cut | None:
    if op.name == "scf.forall":
        return Cut(_text(op, "device.tier"), tuple(ir.DenseI64ArrayAttr(op.attributes["staticStep"])))
    if op.name == "scf.for" and "device.level" in op.attributes:
        step = op.operands[2].owner.operation
        if step.name == "arith.constant":
            return Cut(_text(op, "device.level"), (int(ir.IntegerAttr(step.attributes["value"]).value),))
    return None


def _text(op: Any, key: str) -> str:
    return str(ir.StringAttr(op.attributes[key]).value) if key in op.attributes else ""


def _short(number: float) -> str:
    """`1234567` -> `1.2 M`."""
    for unit in ("", "k", "M", "G"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} T"
