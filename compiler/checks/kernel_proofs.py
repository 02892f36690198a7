"""Integer-set proofs of kernels: for every `scf.forall`, what each unit touches is in bounds, its own, and complete.

Obligations per forall, for all sizes at once (isl; Verdoolaege 2010):
- `writes in bounds`, `reads in bounds`: every slice lies inside the tensor it is taken from;
- `units write apart`: no element is written by two units;
- `every element written`: the union of the writes is the whole result;
- `reads own writes only`: what a unit reads of the shared result, no other unit writes.

Where an index is not affine in the unknown sizes, the proof is repeated for fixed boundary sizes and says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import islpy as isl
from torch_mlir import ir

from stratagem.compiler.checks.index_reader import IndexReader, NotAffine
from stratagem.compiler.checks.kernel_accesses import (
    Access,
    Phase,
    ancestors,
    inside_of,
    read_phase,
    sizes_in,
    with_fixed,
)
from stratagem.compiler.checks.premises import unrelated_sizes
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import location_text, symbol_name

FALLBACK_SIZES = (1, 2, 7, 64, 97)
"""Sizes tried where a proof for all sizes is out of reach: unit, small, prime, a power of two, a larger prime."""
FALLBACK_LIMIT = 32


def prove_kernel(function: Any, level: str, premise: str = "", updated: frozenset[int] = frozenset()) -> list[Finding]:
    """Findings for every forall of a kernel in device form.

    `premise`: an isl condition on its unknown sizes that all callers fulfil (`premises.py`).
    `updated`: results whose destination already holds values, so that a kernel may leave elements as they are.
    """
    name = symbol_name(function)
    foralls = [op for op in _walk_loops(function) if op.name == "scf.forall"]
    if not foralls:
        return [Finding(level, name, "races and bounds", Verdict.NOT_CHECKED, "one unit runs it as it is")]
    findings = []
    for number, forall in enumerate(foralls):
        label = f"{name}" if len(foralls) == 1 else f"{name}, phase {number}"
        skip = _partial_outputs(forall, updated)
        findings += _prove_forall(forall, level, label, premise, skip)
    if unrelated_sizes(premise) > 1:
        findings = [_unless_related(f) for f in findings]
    return findings


def _unless_related(finding: Finding) -> Finding:
    """A counterexample that may combine sizes which no run combines refutes nothing: their relation is not affine."""
    if finding.verdict is not Verdict.REFUTED:
        return finding
    detail = f"depends on how sizes of the program are related, which is not affine; else {finding.detail}"
    return replace(finding, verdict=Verdict.NOT_CHECKED, detail=detail)


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


def _prove_forall(forall: Any, level: str, label: str, premise: str, partial: frozenset[int]) -> list[Finding]:
    try:
        return _check(forall, level, label, premise, {}, Verdict.PROVED, partial)
    except NotAffine as reason:
        return _prove_fixed(forall, level, label, premise, str(reason), partial)


def _prove_fixed(
    forall: Any, level: str, label: str, premise: str, reason: str, partial: frozenset[int]
) -> list[Finding]:
    """The same obligations for boundary sizes; the worst verdict of each obligation over all of them."""
    symbols = _symbols(forall)
    worst: dict[str, Finding] = {}
    for sizes in itertools.islice(itertools.product(FALLBACK_SIZES, repeat=len(symbols)), FALLBACK_LIMIT):
        try:
            fixed = dict(zip(symbols, sizes, strict=True))
            if not _possible(premise, fixed):
                continue
            found = _check(forall, level, label, premise, fixed, Verdict.PROVED_HERE, partial)
        except NotAffine as still:
            return [Finding(level, label, "races and bounds", Verdict.NOT_CHECKED, f"not affine: {still}")]
        for finding in found:
            if finding.obligation not in worst or finding.verdict is Verdict.REFUTED:
                worst[finding.obligation] = finding
    if not worst:
        detail = f"not affine ({reason}), and no boundary size is one that callers pass"
        return [Finding(level, label, "races and bounds", Verdict.NOT_CHECKED, detail)]
    return [
        f
        if f.verdict is Verdict.REFUTED
        else Finding(f.level, f.subject, f.obligation, f.verdict, f"not affine: {reason}")
        for f in worst.values()
    ]


def _possible(premise: str, fixed: Mapping[str, int]) -> bool:
    """Whether some call can pass these sizes."""
    text = with_fixed(premise, fixed)
    names = ", ".join(dict.fromkeys([*sizes_in(premise), *fixed]))
    return not text or not isl.Set(f"[{names}] -> {{ [] : {text} }}").is_empty()


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
    forall: Any,
    level: str,
    label: str,
    premise: str,
    fixed: Mapping[str, int],
    good: Verdict,
    partial: frozenset[int],
) -> list[Finding]:
    phase = read_phase(forall, premise, fixed)
    prover = _Prover(phase)
    findings = []

    def judge(obligation: str, bad: Any, op: Any) -> None:
        witness = prover.witness(bad)
        verdict = good if witness is None else Verdict.REFUTED
        findings.append(Finding(level, label, obligation, verdict, witness or "", location_text(op)))

    writes = [a for a in phase.accesses if a.kind == "write"]
    for obligation, kinds in (("writes in bounds", ("write",)), ("reads in bounds", ("read", "own-read"))):
        bad = None
        for access in (a for a in phase.accesses if a.kind in kinds):
            outside = prover.touched(access).subtract(prover.inside(access)).wrap()
            bad, op = outside, access.op
            if not outside.is_empty():
                break
        if bad is not None:
            judge(obligation, bad, op)
    for output in range(len(phase.outputs)):
        mine = [a for a in writes if a.output == output]
        if not mine:
            continue
        written = prover.per_unit(mine)
        judge("units write apart", prover.shared_elements(written, written), mine[0].op)
        if output not in partial:
            complete = _written_before(phase.outputs[output], premise, fixed).union(written.range())
            judge("every element written", prover.box(phase.outputs[output]).subtract(complete), mine[0].op)
        own = [a for a in phase.accesses if a.kind == "own-read" and a.output == output]
        if own:
            judge("reads own writes only", prover.shared_elements(prover.per_unit(own), written), own[0].op)
    return findings


def _written_before(value: Any, premise: str, fixed: Mapping[str, int]) -> Any:
    """Elements that earlier phases wrote into the tensor a phase goes on with."""
    owner, rank = value.owner, ir.RankedTensorType(value.type).rank
    nothing = isl.Set(f"{{ E[{', '.join(f'x{d}' for d in range(rank))}] : 1 = 0 }}")
    if isinstance(owner, ir.Block) or owner.operation.name != "scf.forall":
        return nothing
    forall = owner.operation
    number = [r == value for r in forall.results].index(True)
    phase = read_phase(forall, premise, fixed)
    mine = [a for a in phase.accesses if a.kind == "write" and a.output == number]
    written = _Prover(phase).per_unit(mine).range() if mine else nothing
    return written.union(_written_before(phase.outputs[number], premise, fixed))


class _Prover:
    """Builds isl sets and maps from the accesses of one phase."""

    def __init__(self, phase: Phase) -> None:
        self._phase = phase
        self._outer = [loop.name for loop in phase.outer]

    def touched(self, access: Access) -> Any:
        """All loop iterations -> elements of the tensor the slice lies in."""
        return self._map(access, self._variables(access))

    def inside(self, access: Access) -> Any:
        """All loop iterations -> all elements of that tensor: its size may depend on the iteration."""
        loops = [loop.domain() for loop in access.loops if loop.name not in self._outer]
        elements, bounds = self._box(access.tensor)
        return isl.Map(self._text(self._variables(access), elements, [*bounds, *loops], [], "map"))

    def _variables(self, access: Access) -> list[str]:
        return [loop.name for loop in access.loops if loop.name not in self._outer]

    def per_unit(self, accesses: list[Access]) -> Any:
        """Units -> elements, whatever the inner loops do."""
        names = [loop.name for loop in self._phase.units]
        maps = [self._map(access, names) for access in accesses]
        union = maps[0]
        for one in maps[1:]:
            union = union.union(one)
        return union

    def box(self, tensor: Any) -> Any:
        """All elements of a tensor from outside the forall."""
        elements, bounds = self._box(tensor)
        return isl.Set(self._text([], elements, bounds, [], None))

    def _box(self, tensor: Any) -> tuple[list[str], list[str]]:
        rank = ir.RankedTensorType(tensor.type).rank
        sizes = [self._phase.reader.size(tensor, d) for d in range(rank)]
        return [f"x{d}" for d in range(rank)], [f"0 <= x{d} < {size}" for d, size in enumerate(sizes)]

    def shared_elements(self, first: Any, second: Any) -> Any:
        """Pairs of different units that touch the same element, first in one way, second in the other."""
        pairs = first.apply_range(second.reverse())
        identity = isl.Map.identity(pairs.get_space())
        return pairs.subtract(identity).wrap()

    def _map(self, access: Access, names: list[str]) -> Any:
        geometry = access.geometry
        elements = [f"x{d}" for d in range(len(geometry.offsets))]
        conditions = [loop.domain() for loop in access.loops if loop.name not in self._outer]
        extra = [loop.name for loop in access.loops if loop.name not in names and loop.name not in self._outer]
        for d, (offset, size, stride) in enumerate(
            zip(geometry.offsets, geometry.sizes, geometry.strides, strict=True)
        ):
            if stride == "1":
                conditions.append(f"{offset} <= x{d} < {offset} + {size}")
            else:
                extra.append(f"s{d}")
                conditions.append(f"0 <= s{d} < {size} and x{d} = {offset} + {stride}*s{d}")
        return isl.Map(self._text(names, elements, conditions, extra, "map"))

    def _text(
        self, names: list[str], elements: list[str], conditions: list[str], extra: list[str], kind: str | None
    ) -> str:
        """isl notation; sizes and outer loop variables are parameters, at least 1 and inside their loops."""
        reader = self._phase.reader
        symbols = list(dict.fromkeys([*reader.symbols, *sizes_in(self._phase.premise)]))
        known = [f"{s} >= 1" for s in symbols] + [loop.domain() for loop in self._phase.outer]
        auxiliary = reader.auxiliaries_in([*known, *conditions])
        everything = [*known, *conditions, *(reader.auxiliary[t] for t in auxiliary)]
        everything = everything + [f"({self._phase.premise})"] if self._phase.premise else everything or ["true"]
        hidden = [*extra, *auxiliary]
        quantified = f"exists {', '.join(hidden)} : " if hidden else ""
        tuple_in = f"U[{', '.join(names)}] -> " if kind == "map" else ""
        body = f"{tuple_in}E[{', '.join(elements)}] : {quantified}{' and '.join(everything)}"
        return f"[{', '.join([*symbols, *self._outer])}] -> {{ {body} }}"

    def witness(self, bad: Any) -> str | None:
        """None when the set is empty; else its smallest point, said with the sizes' meanings."""
        if bad.is_empty():
            return None
        names = [bad.get_dim_name(isl.dim_type.param, i) for i in range(bad.dim(isl.dim_type.param))]
        flat = bad.flatten() if bad.is_wrapping() else bad.reset_tuple_id()
        point = _smallest_point(flat.move_dims(isl.dim_type.set, 0, isl.dim_type.param, 0, len(names)))
        count = point.get_space().dim(isl.dim_type.set)
        values = [int(str(point.get_coordinate_val(isl.dim_type.set, i))) for i in range(count)]
        meanings = self._phase.reader.symbols
        sizes = [f"{meanings.get(n, n)} = {v}" for n, v in zip(names, values, strict=False)]
        return f"{', '.join([*sizes, ''])}at {tuple(values[len(names) :])}"


def _smallest_point(points: Any) -> Any:
    """The lexicographically smallest point; any point where there is no smallest."""
    try:
        return points.lexmin().sample_point()
    except isl.Error:
        return points.sample_point()
