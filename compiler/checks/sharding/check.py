"""The finding: every result of the program on a rank is the whole result of the uncut program, and it asserts the same.

Both programs become expressions on whole tensors (`program.py`), in a normal form that does not depend on how loops are
cut. No rule of the partitioner is used: what a rank computes is read from its program alone. This is translation
validation by symbolic evaluation (Necula, 2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stratagem.compiler.checks.sharding.arguments import SignatureError, rank_arguments, whole_arguments
from stratagem.compiler.checks.sharding.expressions import Expressions
from stratagem.compiler.checks.sharding.program import CollectiveError, MisplacedError, Reader, UnreadableError
from stratagem.compiler.checks.sharding.sizes import Size
from stratagem.compiler.checks.sharding.witness import (
    Known,
    Witness,
    first_wrong_step,
    misplaced,
    wrong_assertions,
    wrong_result,
)
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, location_text, parse_module, run_pipeline

OBLIGATION = "ranks compute what the uncut program does"
SIMPLIFY = "builtin.module(canonicalize,cse)"
"""Both programs are compared after it, so that what MLIR simplifies in one of them is no difference."""


def check_partition(before: str, cut: Any, mesh: Sequence[tuple[str, int]]) -> list[Finding]:
    """One finding for @main; none where the mesh has no axis, or several, of more than one rank.

    Args:
        before: the module before it was cut, as text.
        cut: the module that each rank runs.
        mesh: (axis, ranks) pairs.
    """
    axes = [(axis, ranks) for axis, ranks in mesh if ranks > 1]
    if len(axes) != 1:
        return []
    uncut = parse_module(before, cut.context)
    run_pipeline(uncut, SIMPLIFY)
    try:
        with uncut.context:
            problem, unaligned = _compared(find_function(uncut, "main"), find_function(cut, "main"), *axes[0])
    except UnreadableError as missing:
        return [_finding(Verdict.NOT_CHECKED, str(missing))]
    if problem is None:
        return [_finding(Verdict.PROVED, f"{axes[0][1]} ranks")]
    if unaligned:
        why = f"a dimension of {unaligned} is cut across those that it was merged from; {problem.text}"
        return [_finding(Verdict.NOT_CHECKED, why)]
    where = location_text(problem.op) if problem.op is not None else ""
    return [_finding(Verdict.REFUTED, problem.text, where)]


def _finding(verdict: Verdict, detail: str, where: str = "") -> Finding:
    return Finding("system", "main", OBLIGATION, verdict, detail, where)


def _compared(uncut: Any, cut: Any, axis: str, ranks: int) -> tuple[Witness | None, str]:
    """What is wrong, and where the expressions may not say enough for that.

    A dimension that is merged from 6 and 4 and cut into 4 parts of 6 has no factors that fit both. Wherever it is whole
    it is read as one dimension, in both programs, and these are compared again.
    """
    table = Expressions()
    while True:
        problem = _difference(table, uncut, cut, axis, ranks)
        if problem is None or table.unaligned <= table.views:
            return problem, next((str(e) for e, _ in table.unaligned), "")
        table.views |= table.unaligned


def _difference(table: Expressions, uncut: Any, cut: Any, axis: str, ranks: int) -> Witness | None:
    table.seen = set()
    before = Reader(table)
    given = whole_arguments(table, uncut)
    wanted = before.program(uncut, given)
    known = Known(table, table.seen, axis, Size(ranks))
    table.seen = set()
    after = Reader(table, axis, Size(ranks))
    try:
        found = after.program(cut, rank_arguments(given, uncut, cut, axis, Size(ranks)))
    except SignatureError as problem:
        return Witness(None, str(problem))
    except CollectiveError as problem:
        return Witness(problem.op, str(problem))
    except MisplacedError as problem:
        return first_wrong_step(known, after.steps) or misplaced(known, problem)
    if wanted == found and before.effects == after.effects:
        return None
    step = first_wrong_step(known, after.steps)
    if step is not None:
        return step
    for number, (value, whole) in enumerate(zip(found, wanted, strict=True)):
        if value != whole:
            return wrong_result(known, cut, number, value, whole)
    return wrong_assertions(before.effects, after.effects)
