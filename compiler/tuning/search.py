"""Measures tiles of a program's kernels until the time is over, the kernels that take longest first.

Measurements of a choice and of the compiler's own alternate, so that a change of the machine's speed meets both. What
was measured before is not measured again: a search that was stopped goes on where it was.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from torch_mlir import ir

from stratagem.compiler import knobs
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.cache import key
from stratagem.compiler.ir import local_text, symbol_name, walk
from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.tiles import Choice
from stratagem.compiler.tuning.alone import LoneKernel, can_stand_alone
from stratagem.compiler.tuning.database import Database, Subject, choice_text
from stratagem.hwmodels import load_machine
from stratagem.hwmodels.dump import dump
from stratagem.runtime.bindings import load_runtime
from stratagem.runtime.errors import UsageError
from stratagem.runtime.version import VERSION

if TYPE_CHECKING:
    from stratagem.hwmodels import Device, System
    from stratagem.runtime.executable import Executable

CHOICES = 12
"""Other tiles tried for one kernel."""
ROUNDS = 5
"""How often a choice and the compiler's own take turns."""
TURN = 0.01
"""Seconds of one turn, about."""
SHARE = 0.01
"""Kernels that take less than this part of the program are left as they are."""

Item = TypeVar("Item")
Tell = Callable[[str], None]
Timed = Callable[[int], float]
"""Seconds of the shortest of so many calls."""


def subject_of(function: Any, device: Device, threads: int) -> Subject:
    """What measurements of a kernel are kept under: its text without its name, wherever it stands."""
    return subject_of_text(local_text(function).replace(f"@{symbol_name(function)}(", "@(", 1), device, threads)


def subject_of_text(text: str, device: Device, threads: int) -> Subject:
    """The same for a kernel's text, its name aside."""
    return Subject(key(VERSION, text), key(dump(device)), threads)


@dataclass
class Candidate:
    """A kernel of the program: how often it is called, and its time with the compiler's own tiles."""

    name: str
    subject: Subject
    lone: LoneKernel
    calls: int
    choices: list[Choice]
    own: Executable | None = None
    seconds: float = 0.0
    arguments: list[Any] = field(default_factory=list)


def refuse_foreign(machine: System) -> None:
    """Raises UsageError where the host's code cannot run on this machine."""
    host, here = (CpuTarget.of(m.members[m.host].device) for m in (machine, load_machine("cpu")))
    built_for = host.triple.split("-")[0] or platform.machine()
    if built_for == platform.machine() and host.vector_bytes <= here.vector_bytes:
        return
    raise UsageError(
        f"tiles are measured on this machine ({platform.machine()}, vectors of {here.vector_bytes} B), "
        f"and the target's host is {built_for} with vectors of {host.vector_bytes} B",
        hint="tune where the program will run, or compile without --tune",
    )


def tune(module: Any, machine: System, seconds: float, database: Database, tell: Tell) -> int:
    """Fills `database` for the kernels of a program, for about `seconds`; returns how many choices were measured.

    Args:
        module: the program where `tile-kernels` would come. machine: its host must be this machine.

    Raises ResourceError when the database cannot be written.
    """
    end = time.monotonic() + seconds
    threads = knobs.current().threads
    if threads:
        load_runtime().set_threads(threads)
    found = candidates(module, machine, threads)
    for one in until(end, found):
        tell(f"tiles of {one.name}: as they are")
        prepare(one)
    total = sum(one.seconds * one.calls for one in found)
    known = {one.name: {choice_text(choice) for choice, _ in database.measured(one.subject)} for one in found}
    worth = [one for one in found if one.own is not None and one.seconds * one.calls >= SHARE * total]
    worth.sort(key=lambda one: -one.seconds * one.calls)
    measured: Counter[str] = Counter()
    for turn in range(1, CHOICES + 1):
        for one in until(end, worth):
            if turn >= len(one.choices) or choice_text(one.choices[turn]) in known[one.name]:
                continue
            tell(f"tiles of {one.name}: {turn} of {len(one.choices) - 1}")
            ratio = time_ratio(one, one.choices[turn])
            database.record(one.subject, one.choices[turn], ratio, ratio * one.seconds)
            measured[one.name] += 1
    for one in worth:
        if measured[one.name] and (best := database.best(one.subject)) is not None:
            tell(f"tiles of {one.name}: the best once more")
            _confirm(one, best, database)
    return measured.total()


def _confirm(one: Candidate, best: Choice, database: Database) -> None:
    """Measures a choice again and keeps the worse result: of many noisy ratios the least is too small."""
    first = {choice_text(choice): ratio for choice, ratio in database.measured(one.subject)}[choice_text(best)]
    ratio = max(time_ratio(one, best), first)
    database.record(one.subject, best, ratio, ratio * one.seconds)


def prepare(one: Candidate) -> None:
    """Builds the kernel as the compiler would, and times it."""
    one.own, one.arguments = one.lone.build(one.choices[0]), one.lone.arguments()
    one.seconds = one.lone.seconds(one.own, one.arguments, 3)


def until(end: float, items: list[Item]) -> Iterator[Item]:
    """The items, while there is time."""
    for one in items:
        if time.monotonic() >= end:
            return
        yield one


def candidates(module: Any, machine: System, threads: int) -> list[Candidate]:
    """Kernels on the host whose tiles can be chosen; those that are alike count as one.

    `module` is the program where `tile-kernels` would come.
    """
    calls = Counter(
        ir.FlatSymbolRefAttr(op.attributes["callee"]).value for op in walk(module.operation) if op.name == "func.call"
    )
    host = machine.members[machine.host].device
    found: dict[Subject, Candidate] = {}
    for function in kernel.kernels(module):
        name = symbol_name(function)
        claim = kernel.claim(function)
        if claim.get("class") != host.name or not can_stand_alone(function):
            continue
        subject = subject_of(function, host, threads)
        if subject in found:
            found[subject].calls += calls[name]
            continue
        lone = LoneKernel(function, machine)
        choices = lone.alternatives(CHOICES) if claim["function"] != kernel.SEQUENTIAL else []
        if len(choices) > 1:
            found[subject] = Candidate(name, subject, lone, calls[name], choices)
    return list(found.values())


def time_ratio(one: Candidate, choice: Choice) -> float:
    """Time with `choice` by the time with the compiler's own tiles: the median of alternating turns."""
    assert one.own is not None
    own, other = (partial(one.lone.seconds, built, one.arguments) for built in (one.own, one.lone.build(choice)))
    return alternating_ratio(own, other, one.seconds)


def alternating_ratio(own: Timed, other: Timed, seconds: float) -> float:
    """Time of one by that of another, whose call takes about `seconds`: the median of alternating turns."""
    calls = max(int(TURN / max(seconds, 1e-6)), 1)
    other(1)
    ratios = []
    for _ in range(ROUNDS):
        before = own(calls)
        ratios.append(other(calls) / before)
    return statistics.median(ratios)
