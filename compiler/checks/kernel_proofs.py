"""Integer-set proofs of kernels: for every `scf.forall`, what each unit touches is in bounds, its own, and complete.

Obligations per forall, for all sizes at once (isl; Verdoolaege 2010):
- `writes in bounds`, `reads in bounds`: every slice lies inside the tensor it is taken from;
- `units write apart`: no element is written by two units;
- `every element written`: the union of the writes is the whole result;
- `reads own writes only`: what a unit reads of the shared result, no other unit writes.

Kernels without a forall are proved in `plain_kernels.py`. Where an index is not affine in the unknown sizes, the proof
is repeated for fixed boundary sizes and says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import islpy as isl
from torch_mlir import ir

from stratagem.compiler.checks.access_sets import AccessSets
from stratagem.compiler.checks.index_reader import IndexReader, NotAffine
from stratagem.compiler.checks.kernel_accesses import Phase, ancestors, inside_of, read_phase
from stratagem.compiler.checks.plain_kernels import prove_plain_kernel
from stratagem.compiler.checks.premises import possible_sizes
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import location_text, symbol_name

FALLBACK_SIZES = (1, 2, 7, 64, 97)
"""Sizes tried where a proof for all sizes is out of reach: unit, small, prime, a power of two, a larger prime."""
FALLBACK_LIMIT = 32
BOUNDS = (("writes in bounds", ("write", "insert")), ("reads in bounds", ("read", "own-read")))
"""Obligation -> the accesses it is about."""


def prove_kernel(
    function: Any, level: str, premises: Sequence[str] = (), updated: frozenset[int] = frozenset()
) -> list[Finding]:
    """Findings for every forall of a kernel in device form.

    `premises`: isl conditions on its unknown sizes, one of which each call fulfils (`premises.py`); all sizes without.
    `updated`: results whose destination already holds values, so that a kernel may leave elements as they are.
    """
    name = symbol_name(function)
    foralls = [op for op in _walk_loops(function) if op.name == "scf.forall"]
    possible, contradictory = possible_sizes(premises)
    findings = [Finding(level, name, "sizes of callers", Verdict.NOT_CHECKED, _no_sizes(c)) for c in contradictory]
    if possible.is_empty():
        return findings
    if not foralls:
        return findings + prove_plain_kernel(function, level, possible, updated)
    kernel = _Kernel(level, possible)
    for number, forall in enumerate(foralls):
        label = f"{name}" if len(foralls) == 1 else f"{name}, phase {number}"
        findings += _prove_forall(kernel, forall, label, _partial_outputs(forall, updated))
    return findings


def _no_sizes(condition: str) -> str:
    """A proof for no sizes at all would prove anything."""
    return f"no sizes fulfil what a call says of them, so a proof would say nothing: {condition}"


@dataclass
class _Kernel:
    """What the proofs of one kernel share. `possible`: sizes that some call passes, as an isl set of parameters."""

    level: str
    possible: Any
    _phases: dict[Any, Phase] = field(default_factory=dict)

    def sets(self, forall: Any, fixed: Mapping[str, int]) -> AccessSets:
        """The sets of one phase, with numbers for the sizes in `fixed`."""
        key = (forall, tuple(fixed.items()))
        if key not in self._phases:
            self._phases[key] = read_phase(forall, fixed)
        return AccessSets(self._phases[key], self.sizes(fixed))

    def sizes(self, fixed: Mapping[str, int]) -> Any:
        """Which of the possible sizes have these numbers."""
        equal = " and ".join(f"{name} = {value}" for name, value in fixed.items()) or "true"
        return self.possible.intersect(isl.Set(f"[{', '.join(fixed)}] -> {{ : {equal} }}"))


def _partial_outputs(forall: Any, updated: frozenset[int]) -> frozenset[int]:
    """Outputs that need not be complete after this forall: a later phase goes on with them, or the kernel updates a
    destination that already holds values."""
    found = set()
    for number, result in enumerate(forall.results):
        users = [use.owner for use in result.uses]
        returned = [u for u in users if u.name == "func.return"]
        slots = {i for u in returned for i, v in enumerate(u.operands) if v == result}
        if any(u.name == "scf.forall" for u in users) or slots & updated:
            found.add(number)
    return frozenset(found)


def _walk_loops(function: Any) -> Iterator[Any]:
    for region in function.regions:
        for block in region.blocks:
            for op in block.operations:
                if op.operation.name in ("scf.forall", "scf.for", "scf.if"):
                    yield op.operation
                    yield from _walk_loops(op.operation)


def _prove_forall(kernel: _Kernel, forall: Any, label: str, partial: frozenset[int]) -> list[Finding]:
    try:
        return _check(kernel, forall, label, {}, Verdict.PROVED, partial)
    except NotAffine as reason:
        return _prove_fixed(kernel, forall, label, str(reason), partial)


def _prove_fixed(kernel: _Kernel, forall: Any, label: str, reason: str, partial: frozenset[int]) -> list[Finding]:
    """The same obligations for boundary sizes; the worst verdict of each obligation over all of them."""
    symbols = _symbols(forall)
    worst: dict[str, Finding] = {}
    for sizes in itertools.islice(itertools.product(FALLBACK_SIZES, repeat=len(symbols)), FALLBACK_LIMIT):
        fixed = dict(zip(symbols, sizes, strict=True))
        if kernel.sizes(fixed).is_empty():
            continue  # no call passes these
        try:
            found = _check(kernel, forall, label, fixed, Verdict.PROVED_HERE, partial)
        except NotAffine as still:
            return [Finding(kernel.level, label, "races and bounds", Verdict.NOT_CHECKED, f"not affine: {still}")]
        for finding in found:
            if finding.obligation not in worst or finding.verdict is Verdict.REFUTED:
                worst[finding.obligation] = finding
    if not worst:
        detail = f"not affine ({reason}), and no boundary size is one that callers pass"
        return [Finding(kernel.level, label, "races and bounds", Verdict.NOT_CHECKED, detail)]
    return [
        f if f.verdict is Verdict.REFUTED else replace(f, detail=f"not affine: {reason}", location="")
        for f in worst.values()
    ]


def _symbols(forall: Any) -> list[str]:
    """Names of all unknown sizes the forall mentions, found by reading with products allowed to fail one by one."""
    reader = IndexReader()
    for op in [forall, *ancestors(forall), *inside_of(forall)]:
        for value in op.operands:
            if isinstance(value.type, ir.IndexType):
                try:
                    reader.expression(value)
                except NotAffine:
                    continue
    return list(reader.symbols)


def _check(
    kernel: _Kernel, forall: Any, label: str, fixed: Mapping[str, int], good: Verdict, partial: frozenset[int]
) -> list[Finding]:
    sets = kernel.sets(forall, fixed)
    phase = sets.phase
    findings = []

    def judge(obligation: str, bad: Any, op: Any) -> None:
        try:
            witness = sets.witness(bad)
        except isl.Error as error:
            error.add_note(obligation)
            raise
        verdict = good if witness is None else Verdict.REFUTED
        findings.append(Finding(kernel.level, label, obligation, verdict, witness or "", location_text(op)))

    writes = [a for a in phase.accesses if a.kind == "write"]
    for obligation, kinds in BOUNDS:
        outside = sets.outside([a for a in phase.accesses if a.kind in kinds])
        if outside is not None:
            judge(obligation, *outside)
    for output in range(len(phase.outputs)):
        mine = [a for a in writes if a.output == output]
        if not mine:
            continue
        written = sets.per_unit(mine)
        judge("units write apart", sets.shared_elements(written, written), mine[0].op)
        if output not in partial:
            complete = _written_before(kernel, sets, phase.outputs[output], fixed).union(written.range())
            judge("every element written", sets.box(phase.outputs[output]).subtract(complete), mine[0].op)
        own = [a for a in phase.accesses if a.kind == "own-read" and a.output == output]
        if own:
            judge("reads own writes only", sets.shared_elements(sets.per_unit(own), written), own[0].op)
    return findings


def _written_before(kernel: _Kernel, sets: AccessSets, value: Any, fixed: Mapping[str, int]) -> Any:
    """Elements that earlier phases wrote into the tensor a phase goes on with."""
    if isinstance(value.owner, ir.Block) or value.owner.operation.name != "scf.forall":
        return sets.nothing(value)
    forall = value.owner.operation
    number = [r == value for r in forall.results].index(True)
    earlier = kernel.sets(forall, fixed)
    mine = [a for a in earlier.phase.accesses if a.kind == "write" and a.output == number]
    written = earlier.per_unit(mine).range() if mine else sets.nothing(value)
    return written.union(_written_before(kernel, earlier, earlier.phase.outputs[number], fixed))
