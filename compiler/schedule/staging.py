"""Staging loops: `scf.for` over chunks of a dimension, so that a step's tiles fit the memory nearest to the
unit.

A reduction carries its accumulator: `acc = for k { acc += chunk }`. Other work along a staged dimension is
*streamed*:
each step computes a chunk of the result and inserts it into the carried destination. Whatever does not depend on the
dimension (the sums of a row) is computed once, before the loop; what does is computed again per chunk, never stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch_mlir import ir
from torch_mlir.dialects import scf

from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.schedule import index, region
from stratagem.compiler.schedule.destination import destination_of
from stratagem.compiler.schedule.region import Range
from stratagem.compiler.schedule.structured import (
    Access,
    input_count,
    is_contraction,
    is_generic,
    is_tensor,
    owner,
)

if TYPE_CHECKING:
    from stratagem.compiler.schedule.materialize import Materializer, Stage

Cut = tuple["Stage", int]
"""A stage and the loop of the op that it cuts."""


@rests_on("sum-in-parts", "product-in-parts", "extreme-in-parts", "contraction-in-parts")
def staged(scope: Materializer, op: Any, loops: list[Range]) -> list[Any] | None:
    """The results of `op` computed by staging loops; None where the plan cuts none of its loops."""
    reducing = scope.dims.reductions(op)
    cuts = _cuts(scope, op, loops)
    streamed = [cut for cut in cuts if cut[1] not in reducing]
    if streamed:
        return _stream(scope, op, loops, streamed[0])
    return _accumulate(scope, op, loops, cuts) if cuts else None


def _cuts(scope: Materializer, op: Any, loops: list[Range]) -> list[Cut]:
    dims = scope.dims.loops[op].dims
    pairs = [(stage, i) for stage in scope.stages for i, d in enumerate(dims) if d == stage.dim]
    return [(stage, i) for stage, i in pairs if loops[i].whole and loops[i].size != 1]


def _accumulate(scope: Materializer, op: Any, loops: list[Range], cuts: list[Cut]) -> list[Any]:
    """`for` loops around a reduction, accumulators carried."""
    known, count = scope.dims.loops[op], input_count(op)
    inner = scope.inner()
    for value, access in list(zip(op.operands, known.accesses, strict=True))[:count]:
        if not _is_made(scope, value):
            continue
        if is_contraction(op):
            part = region.read_region(value, access, loops)
            inner.held[value] = (scope.tile(value, part), part)
        else:
            _hoist(scope, value, access, loops, {stage.dim for stage, _ in cuts})
    start = []
    for value, access in list(zip(op.operands, known.accesses, strict=True))[count:]:
        start.append(scope.tile(value, region.read_region(value, access, loops)))
    return _nest(inner, op, loops, cuts, start)


def _nest(scope: Materializer, op: Any, loops: list[Range], cuts: list[Cut], carried: list[Any]) -> list[Any]:
    if not cuts:
        return scope.compute(op, loops, carried)
    (stage, loop), rest = cuts[0], cuts[1:]
    emitted = _loop(stage, loops[loop], carried)
    with ir.InsertionPoint(emitted.body):
        scf.YieldOp(_nest(scope, op, _chunk(emitted, stage, loops, loop), rest, list(emitted.inner_iter_args)))
    return list(emitted.results)


def _loop(stage: Stage, around: Range, carried: list[Any]) -> Any:
    bounds = [index.constant(0), index.as_value(around.size), index.constant(stage.size)]
    emitted = scf.ForOp(*bounds, carried)
    emitted.operation.attributes["device.level"] = ir.StringAttr.get(stage.level)
    return emitted


def _chunk(emitted: Any, stage: Stage, loops: list[Range], loop: int) -> list[Range]:
    """The iterations of one step: a chunk of `loop`, all of the others."""
    around, start = loops[loop], emitted.induction_variable
    inner = list(loops)
    inner[loop] = Range(index.add(around.offset, start), index.clamp(stage.size, around.size, start))
    return inner


def _stream(scope: Materializer, op: Any, loops: list[Range], cut: Cut) -> list[Any]:
    """A loop that computes the results chunk by chunk into their destinations."""
    stage, loop = cut
    known, count = scope.dims.loops[op], input_count(op)
    for value, access in list(zip(op.operands, known.accesses, strict=True))[:count]:
        if _is_made(scope, value):
            _hoist(scope, value, access, loops, {stage.dim})
    written = list(zip(op.results, known.accesses[count:], strict=True))
    parts = [region.read_region(value, access, loops) for value, access in written]
    targets = [destination_of(value) for value, _ in written]
    start = [_uncopied(scope, t, p) for t, p in zip(targets, parts, strict=True)]
    emitted = _loop(stage, loops[loop], start)
    with ir.InsertionPoint(emitted.body):
        inner = scope.inner()
        carried = list(emitted.inner_iter_args)
        inner.held |= {t: (c, p) for t, c, p in zip(targets, carried, parts, strict=True)}
        step = _chunk(emitted, stage, loops, loop)
        made = inner.tile_op(op, step)
        results = []
        for tile, target, part, (value, access) in zip(made, carried, parts, written, strict=True):
            results.append(region.insert(tile, target, _inside(region.read_region(value, access, step), part)))
        scf.YieldOp(results)
    return list(emitted.results)


def _uncopied(scope: Materializer, target: Any, part: region.Region) -> Any:
    """The region of a destination that a loop fills piece by piece: a view, not a copy."""
    copied, scope.copied_to = scope.copied_to, None
    found = scope.tile(target, part)
    scope.copied_to = copied
    return found


def _inside(part: region.Region, base: region.Region) -> region.Region:
    from stratagem.compiler.schedule.materialize import relative

    return relative(part, base)


def _is_made(scope: Materializer, value: Any) -> bool:
    """Whether a value is computed by the kernel (and is neither given nor held)."""
    producer = owner(value) if is_tensor(value) else None
    return producer is not None and is_generic(producer) and value not in scope.leaves and value not in scope.held


def _hoist(scope: Materializer, value: Any, access: Access, loops: list[Range], dims: set[int]) -> None:
    """Computes, before the loop, what `value` is made from that does not depend on the staged dimensions."""
    part = region.read_region(value, access, loops)
    op = owner(value)
    inner = scope._loops_from_result(op, value, part)
    known = scope.dims.loops[op]
    parallel = {known.dims[i] for i, kind in enumerate(known.iterators) if kind != "reduction"}
    if not parallel & dims:
        scope.tile(value, part)
        return
    for operand, read in list(zip(op.operands, known.accesses, strict=True))[: input_count(op)]:
        if _is_made(scope, operand):
            _hoist(scope, operand, read, inner, dims)
