"""Collectives at system level: every rank runs the same sequence of them.

A collective under control flow that depends on the rank would leave some ranks waiting for ever, so a collective may
stand inside a region only if nothing that decides about the region depends on `system.rank`.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, location_text, walk

LEVEL = "system"
COLLECTIVES = ("system.all_reduce", "system.all_gather", "system.reduce_scatter")


def check_collectives(module: Any) -> list[Finding]:
    """One finding for @main; none when the program has no collectives."""
    main = find_function(module, "main")
    found = [op for op in walk(main) if op.name in COLLECTIVES]
    if not found:
        return []
    for op in found:
        guard = _deciding_rank(op)
        if guard is not None:
            detail = f"{op.name} runs under {guard.name}, which depends on the rank"
            return [_finding(Verdict.REFUTED, detail, location_text(op))]
    return [_finding(Verdict.PROVED, f"{len(found)} in sequence")]


def _finding(verdict: Verdict, detail: str, location: str = "") -> Finding:
    return Finding(LEVEL, "main", "same collectives on every rank", verdict, detail, location)


def _deciding_rank(op: Any) -> Any | None:
    """The enclosing operation whose operands depend on the rank."""
    current = op.parent.operation
    while current.name != "func.func":
        if any(_depends_on_rank(v) for v in current.operands):
            return current
        current = current.parent.operation
    return None


def _depends_on_rank(value: Any) -> bool:
    pending, seen = [value], set()
    while pending:
        owner = pending.pop().owner
        if isinstance(owner, ir.Block) or hash(owner.operation) in seen:
            continue
        seen.add(hash(owner.operation))
        if owner.operation.name == "system.rank":
            return True
        pending.extend(owner.operation.operands)
    return False
