"""A library against generated code, kernel by kernel: by measurement where there is one, else by estimate.

Generated code stands there as the rest of the compile would make it: weights in panels, tiles by the cost model.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from stratagem.compiler import knobs
from stratagem.compiler.arguments import parameter_name
from stratagem.compiler.ir import find_function, symbol_name, walk
from stratagem.compiler.program import Program
from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.estimate import estimate
from stratagem.compiler.schedule.library import Offer, claim_unit, offering_units, write_offer
from stratagem.compiler.schedule.tile_kernel import choose
from stratagem.compiler.tuning.alone import LoneKernel, can_stand_alone
from stratagem.compiler.tuning.database import BETTER, Database, Subject
from stratagem.compiler.tuning.search import Tell, alternating_ratio, refuse_foreign, subject_of_text, until
from stratagem.hwmodels import Device, Unit
from stratagem.runtime.bindings import load_runtime

if TYPE_CHECKING:
    from stratagem.hwmodels import System

CALLS = 3
"""Calls that tell about how long generated code takes."""


@dataclass(frozen=True)
class Contest:
    """A kernel that a library could do, both ways; `seconds` estimates all its calls in the program."""

    function: Any
    unit: Unit
    subject: Subject
    generated: LoneKernel
    called: LoneKernel
    estimated: Offer
    seconds: float


def settle(program: Program, machine: System, seconds: float, tell: Tell) -> None:
    """Writes what each kernel's offers came to, and the claims of kernels that a library does.

    With `seconds`, kernels of the host are measured first, for about that long, those that take longest first. Raises
    UsageError where the host's code cannot run here, ArtifactError where the library is missing.
    """
    database, contests = Database.default(), list(_contests(program, machine))
    if seconds and contests:
        refuse_foreign(machine)
        host = machine.members[machine.host].device.name
        here = [one for one in contests if kernel.claim(one.function)["class"] == host]
        _measure(here, time.monotonic() + seconds, database, tell)
    best: dict[str, tuple[Contest, Offer]] = {}
    for one in contests:
        offer, name = _settled(one, database), symbol_name(one.function)
        if not isfinite(offer.generated + offer.library):
            continue
        if name not in best or _ratio(offer) < _ratio(best[name][1]):
            best[name] = one, offer
    for one, offer in best.values():
        write_offer(one.function, offer)
        if offer.chosen:
            claim_unit(one.function, one.unit)


def _settled(one: Contest, database: Database) -> Offer:
    """The offer as measured, else as estimated. The library must be clearly better: one part less to install."""
    found = database.offered(one.subject, one.unit.name)
    seconds = found or (one.estimated.generated, one.estimated.library)
    offer = Offer(one.unit.name, False, found is not None, *seconds)
    return replace(offer, chosen=_ratio(offer) <= BETTER)


def _ratio(offer: Offer) -> float:
    return offer.library / offer.generated


def _contests(program: Program, machine: System) -> Iterator[Contest]:
    devices = {member.device.name: member.device for member in machine.members.values()}
    calls = _calls(program.module)
    for function in kernel.kernels(program.module):
        device = devices.get(kernel.claim(function).get("class", ""))
        if device is None:
            continue
        for unit in offering_units(function, device) if can_stand_alone(function) else ():
            mine, lone = calls[symbol_name(function)], LoneKernel(function, machine)
            both = lone.packed(_weights(program, mine)), lone.by(unit)
            if all(map(_is_tiled, both)):
                yield _contest(function, unit, device, *both, len(mine))


def _is_tiled(lone: LoneKernel) -> bool:
    with lone.untiled() as untiled:
        return untiled is not None


def _contest(
    function: Any, unit: Unit, device: Device, generated: LoneKernel, called: LoneKernel, calls: int
) -> Contest:
    subject = subject_of_text(generated.text, device, knobs.current().threads)
    offer = Offer(unit.name, False, False, _estimated(generated), _estimated(called))
    return Contest(function, unit, subject, generated, called, offer, calls * offer.generated)


def _estimated(lone: LoneKernel) -> float:
    """Seconds of a call; infinite where the description lacks a number that they rest on."""
    with lone.untiled() as untiled:
        told = untiled is not None and untiled.target.told
        return estimate(untiled, choose(untiled)).total if untiled is not None and told else inf


def _calls(module: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {symbol_name(function): [] for function in kernel.kernels(module)}
    for op in walk(module.operation):
        if op.name == "func.call":
            found.setdefault(str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value), []).append(op)
    return found


def _weights(program: Program, calls: list[Any]) -> frozenset[int]:
    """Which arguments every call passes a parameter for that nothing else reads: `pack-weights` may store these."""
    main = find_function(program.module, "main")
    counts = Counter(
        number
        for call in calls
        for number, value in enumerate(call.operands)
        if parameter_name(main, value) in program.parameters and len(list(value.uses)) == 1
    )
    return frozenset(number for number, count in counts.items() if count == len(calls))


def _measure(contests: list[Contest], end: float, database: Database, tell: Tell) -> None:
    if threads := knobs.current().threads:
        load_runtime().set_threads(threads)
    for one in until(end, sorted(contests, key=lambda one: -one.seconds)):
        if database.offered(one.subject, one.unit.name) is None:
            tell(f"{symbol_name(one.function)}: generated code and {one.unit.name} take turns")
            generated, library = _timed(one)
            database.record_offer(one.subject, one.unit.name, generated, library)


def _timed(one: Contest) -> tuple[float, float]:
    """Seconds of a call by generated code and by the library, in turns; where the library is better, the worse result
    of two."""
    made, called = one.generated.ready(), one.called.ready()
    seconds = made(CALLS)
    ratio = alternating_ratio(made, called, seconds)
    if ratio <= BETTER:
        ratio = max(ratio, alternating_ratio(made, called, seconds))
    return seconds, seconds * ratio
