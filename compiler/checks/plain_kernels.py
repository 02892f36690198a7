"""Proofs of kernels that one unit runs as they are: nothing races, so bounds and completeness remain.

A linalg operation writes every element of its result; what is put together by insertions must be covered by them.
Other operations (sorts, scans, copies to computed shapes, reads of single elements) are not understood here, and what
contains one is reported as not checked.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.access_sets import AccessSets
from stratagem.compiler.checks.index_reader import NotAffine
from stratagem.compiler.checks.kernel_accesses import read_body
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import location_text, symbol_name, walk

SCALAR_DIALECTS = ("arith", "math", "affine", "linalg")
UNDERSTOOD = frozenset(
    ["func.return", "scf.for", "scf.if", "scf.yield"]
    + [f"tensor.{name}" for name in ("dim", "empty", "cast", "extract_slice", "insert_slice")]
    + [f"tensor.{name}" for name in ("expand_shape", "collapse_shape", "from_elements")]
)


def prove_plain_kernel(function: Any, level: str, possible: Any, updated: frozenset[int]) -> list[Finding]:
    """Findings for a kernel without `scf.forall`. `possible`: sizes that some call passes, as an isl set of parameters.
    `updated`: results whose destination already holds values, of which elements may stay as they are."""
    name = symbol_name(function)
    strange = sorted({op.name for op in walk(function) if not _is_understood(op)})
    if strange:
        return [_not_checked(level, name, f"one unit runs it, with {', '.join(strange)}")]
    try:
        return _check(function, level, possible, updated)
    except NotAffine as reason:
        return [_not_checked(level, name, f"not affine: {reason}")]


def _is_understood(op: Any) -> bool:
    return op.name in UNDERSTOOD or op.name.partition(".")[0] in SCALAR_DIALECTS


def _not_checked(level: str, name: str, reason: str) -> Finding:
    return Finding(level, name, "bounds", Verdict.NOT_CHECKED, reason)


def _check(function: Any, level: str, possible: Any, updated: frozenset[int]) -> list[Finding]:
    phase = read_body(function)
    sets, findings = AccessSets(phase, possible), []

    def judge(obligation: str, bad: Any, op: Any) -> None:
        witness = sets.witness(bad)
        verdict = Verdict.PROVED if witness is None else Verdict.REFUTED
        findings.append(Finding(level, symbol_name(function), obligation, verdict, witness or "", location_text(op)))

    for obligation, kind in (("writes in bounds", "insert"), ("reads in bounds", "read")):
        outside = sets.outside([a for a in phase.accesses if a.kind == kind])
        if outside is not None:
            judge(obligation, *outside)
    for number, output in enumerate(phase.outputs):
        if number not in updated and isinstance(output.type, ir.RankedTensorType):
            maker = function if isinstance(output.owner, ir.Block) else output.owner
            judge("every element written", sets.box(output).subtract(_written(sets, output)), maker)
    return findings


def _written(sets: AccessSets, value: Any) -> Any:
    """Elements of a tensor that the kernel certainly wrote."""
    if isinstance(value.owner, ir.Block):
        return sets.nothing(value)
    op = value.owner.operation
    if op.name.startswith("linalg."):
        return sets.box(value)
    if op.name == "tensor.insert_slice":
        inserted = [a for a in sets.phase.accesses if a.op == op]
        return sets.per_unit(inserted).range().union(_written(sets, op.operands[1]))
    if op.name == "tensor.cast":
        return _written(sets, op.operands[0])
    raise NotAffine(f"what {op.name} writes")
