"""Buffers with an owner of their own at the physical level: each is given back once, after its last use.

A buffer that leaves its block (a result, a value that a loop carries) belongs to whoever receives it and is not given
back here. What was not allocated (arguments, views of the arena) is never given back.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, location_text, walk

LEVEL, OBLIGATION = "physical", "buffers given back once, after their last use"
HANDS_ON = ("func.return", "scf.yield", "scf.condition", "scf.for", "scf.while", "scf.if")


def check_deallocations(module: Any) -> list[Finding]:
    """One finding for @main; none where the program allocates nothing and gives nothing back."""
    operations = list(walk(find_function(module, "main")))
    allocations = [op for op in operations if op.name == "memref.alloc"]
    releases = [op for op in operations if op.name == "memref.dealloc"]
    if not allocations and not releases:
        return []
    owned = {allocation.results[0] for allocation in allocations}
    for release in releases:
        if release.operands[0] not in owned:
            return [_finding(release, "memory that was not allocated here is given back")]
    for allocation in allocations:
        problem = _problem(allocation)
        if problem:
            return [_finding(allocation, f"{allocation.results[0].type} {problem}")]
    return [Finding(LEVEL, "main", OBLIGATION, Verdict.PROVED)]


def _finding(op: Any, detail: str) -> Finding:
    return Finding(LEVEL, "main", OBLIGATION, Verdict.REFUTED, detail, location_text(op))


def _problem(allocation: Any) -> str:
    users = _users(allocation.results[0])
    releases = [user for user in users if user.name == "memref.dealloc"]
    if any(user.name in HANDS_ON for user in users):
        return "is given back, but others own it by then" if releases else ""
    if len(releases) != 1:
        return f"is given back {len(releases)} times" if releases else "is never given back"
    order = {view.operation: number for number, view in enumerate(allocation.block.operations)}
    if releases[0] not in order:
        return "is given back in another block than the one it is allocated in"
    last = max(order[_in_block(user, allocation.block)] for user in users)
    return "is used after it was given back" if last > order[releases[0]] else ""


def _users(value: Any) -> list[Any]:
    """Operations that touch the buffer, by this or another name."""
    found: list[Any] = []
    pending, seen = [value], {value}
    while pending:
        for use in pending.pop().uses:
            user = use.owner.operation
            found.append(user)
            views = [] if user.name in HANDS_ON else [r for r in user.results if isinstance(r.type, ir.MemRefType)]
            pending += [view for view in views if view not in seen]
            seen.update(views)
    return found


def _in_block(op: Any, block: Any) -> Any:
    current = op
    while current.block != block:
        current = current.parent.operation
    return current
