"""All checks of a program, level by level, as one assurance report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stratagem.compiler.checks.capacity import check_capacity
from stratagem.compiler.checks.collectives import check_collectives
from stratagem.compiler.checks.deallocations import check_deallocations
from stratagem.compiler.checks.memory_plan import check_memory_plan
from stratagem.compiler.checks.placement import check_placement
from stratagem.compiler.checks.premises import premises_of_calls, updated_destinations
from stratagem.compiler.checks.sharding.check import check_partition
from stratagem.compiler.checks.templates import prove_template
from stratagem.compiler.checks.verdicts import WITHIN_BOUND, AssuranceReport, Finding, Verdict
from stratagem.compiler.ir import functions, symbol_name
from stratagem.compiler.schedule.kernel import claim
from stratagem.compiler.schedule.library import claimed_library
from stratagem.runtime.errors import StratagemError, VerificationError


def check_level(level: str, module: Any, machine: Any) -> list[Finding]:
    """The findings of one level's IR."""
    checks = {"tensor": _tensor, "device": _device, "system": _system, "physical": _physical}
    return checks[level](module, machine) if level in checks else []


def check_pass(name: str, before: str, module: Any, machine: Any) -> list[Finding]:
    """What is proved of one pass from its input, as text, and its output alone; nothing for most passes."""
    if name != "partition-program" or machine is None:
        return []
    return check_partition(before, module, machine.mesh)


def refuse_refuted(findings: list[Finding]) -> None:
    """Raises VerificationError with the first counterexample when an obligation does not hold."""
    bad = [f for f in findings if f.verdict is Verdict.REFUTED]
    if bad:
        first = bad[0]
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        problem = f"{first.level} level, {first.subject}: '{first.obligation}' does not hold: {first.detail}{more}"
        raise VerificationError(problem, location=first.location)


def assurance_of(
    levels: dict[str, Any], machine: Any, progress: Callable[[str, str], None] | None = None
) -> AssuranceReport:
    """The report of a program whose levels are given as modules; `progress` hears of each level."""
    report = AssuranceReport()
    for level, module in levels.items():
        if progress:
            progress("proofs", f"level {level}")
        report.add(*check_level(level, module, machine))
    return report


def _tensor(module: Any, machine: Any) -> list[Finding]:
    from stratagem.compiler.levels.tensor import check_tensor_level

    return [_contract("tensor", lambda: check_tensor_level(module))]


def _contract(level: str, check: Any) -> Finding:
    """A level's contract as a finding: its checker raises where the contract is broken."""
    try:
        check()
    except StratagemError as error:
        return Finding(level, "main", "level contract", Verdict.REFUTED, error.problem, str(error.location or ""))
    return Finding(level, "main", "level contract", Verdict.PROVED)


def _device(module: Any, machine: Any) -> list[Finding]:
    from stratagem.compiler.levels.device import check_device_level

    findings = [_contract("device", lambda: check_device_level(module, machine))]
    if findings[0].verdict is Verdict.REFUTED:
        return findings  # the proofs read what the contract promises: memories and groups that are there
    premises, updated = premises_of_calls(module), updated_destinations(module)
    devices = {member.device.name: member.device for member in machine.members.values()} if machine else {}
    for function in functions(module):
        if "device.kernel" in function.attributes:
            name = symbol_name(function)
            findings += prove_template(function, "device", premises.get(name, ()), frozenset(updated.get(name, ())))
            device = devices.get(claim(function).get("class", ""))
            findings += [*check_capacity(function, device), *_left_to_running(function, device)] if device else []
    return findings


def _left_to_running(function: Any, device: Any) -> list[Finding]:
    """What no proof reaches: the call of a library. What its tiles are, where they lie and that they are the right ones
    is proved of the IR like everywhere; that the library computes their product is only ever tested."""
    library = claimed_library(function, device)
    if library is None:
        return []
    call = library.calls[claim(function)["function"]]
    detail = f"a call of {call.library}, of which nothing is proved: only running it tells"
    return [Finding("code", symbol_name(function), WITHIN_BOUND, Verdict.NOT_CHECKED, detail)]


def _system(module: Any, machine: Any) -> list[Finding]:
    from stratagem.compiler.levels.device import check_device_level

    contract = _contract("system", lambda: check_device_level(module, machine))
    return [contract, *check_placement(module, machine), *check_collectives(module)]


def _physical(module: Any, machine: Any) -> list[Finding]:
    from stratagem.compiler.levels.physical import check_physical_level

    contract = _contract("physical", lambda: check_physical_level(module, machine))
    return [contract, *check_memory_plan(module), *check_deallocations(module)]
