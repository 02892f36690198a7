"""What is wrong with a cut program, in words: the first operation that computes nothing of the uncut program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from stratagem.compiler.checks.sharding.collectives import reduced
from stratagem.compiler.checks.sharding.expressions import UNWRITTEN, Expression, Expressions, Value
from stratagem.compiler.checks.sharding.folding import NEUTRAL, is_neutral
from stratagem.compiler.checks.sharding.nests import Nest
from stratagem.compiler.checks.sharding.program import MisplacedError, Step
from stratagem.compiler.checks.sharding.sizes import Size
from stratagem.compiler.ir import location_text, result_attributes

COLLECTIVES = ("system.all_reduce", "system.reduce_scatter")
REDUCTIONS = ("sum", "max", "min", "prod")


class Witness(NamedTuple):
    op: Any
    text: str


@dataclass(frozen=True)
class Known:
    """`expressions`: those of the uncut program."""

    table: Expressions
    expressions: set[Expression]
    axis: str
    ranks: Size

    def has(self, value: Value) -> bool:
        return value.expression in self.expressions

    def partial(self, value: Value) -> str:
        """The reduction over the ranks that makes the value one of the uncut program; empty where none does."""
        if self.has(value) or not value.bound:
            return ""
        for reduction in REDUCTIONS:
            whole = reduced(self.table, value, reduction, self.ranks)
            if whole is not None and self.has(whole):
                return reduction
        return ""

    def placement(self, value: Value) -> str:
        """Where a value is, in words."""
        if not value.bound:
            return f"the whole of {value.expression}"
        if (reduction := self.partial(value)) != "":
            return f"a partial {reduction} over '{self.axis}' of {value.expression}"
        if self.has(value):
            return f"a rank's part of {value.expression}"
        return f"other numbers on every rank of '{self.axis}', from {value.expression}"


def first_wrong_step(known: Known, steps: Sequence[Step]) -> Witness | None:
    """The first operation whose results the uncut program neither has nor gets by a reduction over the ranks."""
    for step in steps:
        if not all(known.has(r) or known.partial(r) for r in step.results):
            return Witness(step.op, _step(known, step))
    return None


def _step(known: Known, step: Step) -> str:
    name = _name(step.op)
    missing = _missing(known, step.operands)
    if step.op.name in COLLECTIVES:
        reduction = f"({step.op.attributes['reduction'].value})" if "reduction" in step.op.attributes else ""
        article = "an" if step.op.name == COLLECTIVES[0] else "a"
        return f"{name} is {article} {step.op.name.partition('.')[2]}{reduction} of {known.placement(step.operands[0])}"
    if missing:
        return f"{name} reads {missing}"
    if _counts_initial_value(step):
        return f"{name} sums up a part per rank, and each adds the initial value, which is not neutral"
    read = [(i, v) for i, v in enumerate(step.operands) if v.expression.key != UNWRITTEN]
    operands = "; ".join(f"operand {i} is {known.placement(v)}" for i, v in read)
    return f"{name} computes nothing that the uncut program does: {operands}"


def _missing(known: Known, operands: Sequence[Value]) -> str:
    for number, value in enumerate(operands):
        if known.partial(value):
            return f"operand {number}, {known.placement(value)}: an all_reduce is missing"
    return ""


def _counts_initial_value(step: Step) -> bool:
    """Whether the results are sums that are no part of a sum over the ranks for that reason alone."""
    what = step.results[0].expression.key
    if what[0] != "nest" or not step.results[0].bound or what[1].reduction not in NEUTRAL:
        return False
    nest: Nest = what[1]
    return any(axis.is_folded for axis in nest.axes) and not is_neutral(nest)


def misplaced(known: Known, problem: MisplacedError) -> Witness:
    """An operation without a rule for parts reads one."""
    missing = _missing(known, [problem.operand])
    what = f"operand {problem.number}, {known.placement(problem.operand)}"
    hint = ": an all_reduce is missing" if missing else "; it needs the same values on every rank"
    return Witness(problem.op, f"{_name(problem.op)} reads {what}{hint}")


def wrong_assertions(wanted: Sequence[Expression], found: Sequence[Expression]) -> Witness:
    """Assertions that are not those of the uncut program, or not in its order."""
    for effect in wanted:
        if effect not in found:
            return Witness(effect.op, f"an assertion of {effect} is missing")
    for effect in found:
        if effect not in wanted:
            return Witness(effect.op, f"{effect} asserts what the uncut program does not")
    return Witness(
        found[-1].op, f"{len(found)} assertions, of which the uncut program has {len(wanted)}, or in another order"
    )


def wrong_result(known: Known, main: Any, number: int, value: Value, whole: Value) -> Witness:
    """A result that is not the uncut program's, though all that is computed is."""
    end = list(main.regions[0].blocks[0].operations)[-1].operation
    name = result_attributes(main, "model.output")[number]
    what = f"result {number if name is None else repr(name)} is {known.placement(value)}"
    if known.partial(value):
        return Witness(end, f"{what}: an all_reduce is missing")
    if value.expression is not whole.expression:
        return Witness(end, f"{what}, not {known.placement(whole)}")
    if value.bound:
        return Witness(end, f"{what}: an all_gather is missing")
    order = f"{_order(value)}, not {_order(whole)}"
    return Witness(end, f"{what} with its elements in another order: {order}")


def _order(value: Value) -> str:
    """Per dimension, the (size, dimension of the whole, stride) of its factors."""
    dims = []
    for factors in value.dims:
        steps = [f"{f.size}" + "".join(f" of dim {dim} by {stride}" for dim, stride in f.terms) for f in factors]
        dims.append("(" + ", ".join(steps or ["1"]) + ")")
    return "[" + " ".join(dims) + "]"


def _name(op: Any) -> str:
    where = location_text(op)
    return op.name if where == "unknown" else f"{op.name} at {where}"
