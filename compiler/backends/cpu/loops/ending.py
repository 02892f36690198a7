"""Elementwise work on the result of a sum joins its register block.

Before: `generic {acc += a * b}`, `generic {out = relu(acc + bias)}`. After: one nest, whose sums end as what the second
one makes of them; `acc` is never written. On buffers, where both would have run anyway, one right after the other: no
value is computed twice or in another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.cpu.loops.absorb import window_loops
from stratagem.compiler.backends.cpu.loops.body import is_elementwise
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.combine import combiner_of
from stratagem.compiler.backends.cpu.loops.initial import UNTOUCHED, fill_before
from stratagem.compiler.backends.cpu.loops.nest import Ending, Nest, indices_used, read_nest
from stratagem.compiler.backends.cpu.outline_phases import buffer_root


@dataclass(frozen=True)
class Followed:
    """A sum and the generic that is all that reads its result, at operand `position`."""

    sum: Any
    follower: Any
    position: int


def followed_sums(ops: Sequence[Any]) -> dict[Any, Followed]:
    """By follower, the sums among the generics of a function that something follows."""
    found = {}
    for op in ops:
        follower = _follower_of(op) if _is_sum(op) else None
        if follower is not None:
            found[follower] = Followed(op, follower, list(follower.operands).index(_output(op)))
    return found


def with_ending(nest: Nest, found: Followed) -> Nest | None:
    """The nest of a sum with its follower as the ending; emits address arithmetic at the insertion point. None where
    the follower has loops that the sum has not."""
    own, loops = read_nest(found.follower), _same_loops(found, len(nest.sizes))
    if any(d not in loops and size != 1 for d, size in enumerate(own.sizes)):
        return None

    def moved(access: Any) -> Any:
        steps: list[Any] = [0] * len(nest.sizes)
        for d, to in loops.items():
            steps[to] = access.coefficients[d]
        return replace(access, coefficients=tuple(steps))

    inputs, outputs = [moved(a) for a in own.inputs], [moved(a) for a in own.outputs]
    return replace(nest, ending=Ending(own.body, inputs, outputs, found.position))


def may_end(nest: Nest, plan: Plan) -> bool:
    """Whether a strategy makes each sum once, in registers, and reads and writes what the ending needs as vectors."""
    if (
        plan.kind != "block"
        or plan.chunk
        or nest.ending is None
        or (plan.few is not None and not may_end(nest, plan.few))
    ):
        return False
    dense = all(not a.moves_with(plan.vector) or a.is_unit(plan.vector) for a in nest.ending.accesses)
    return dense and all(a.is_unit(plan.vector) for a in nest.ending.outputs)


def _is_sum(op: Any) -> bool:
    """A reduction with one result, known to combine terms, each place of which has loops of its own."""
    if "reduction" not in str(op.attributes["iterator_types"]) or len(op.operands) < 2:
        return False
    outputs = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))[1]
    return outputs == 1 and combiner_of(op.regions[0].blocks[0]) is not None and _loops_of(_maps(op)[-1]) is not None


def _loops_of(one: Any) -> list[int | None] | None:
    """Per result of a map its loop, None for a constant 0; None where it has other results or a loop twice."""
    loops: list[int | None] = []
    for expression in one.results:
        if isinstance(expression, ir.AffineDimExpr):
            loops.append(int(ir.AffineDimExpr(expression).position))
        elif isinstance(expression, ir.AffineConstantExpr) and ir.AffineConstantExpr(expression).value == 0:
            loops.append(None)
        else:
            return None
    bare = [d for d in loops if d is not None]
    return loops if len(bare) == len(set(bare)) else None


def _follower_of(op: Any) -> Any | None:
    """The elementwise generic after the sum that is all that reads it, with nothing in between."""
    value, loops = _output(op), window_loops(op)
    place = loops[0].loop if loops else op
    if isinstance(value.owner, ir.Block) or value.owner.operation.name != "memref.alloc":
        return None
    ops = [child.operation for child in place.block.operations]
    after = ops[ops.index(place) + 1 :]
    follower = next((one for one in after if not one.name.startswith(UNTOUCHED)), None)
    if follower is None or follower.name != "linalg.generic" or not _follows(follower, op, value):
        return None
    fill = fill_before(place, op)
    known = [op, follower, *([fill] if fill is not None else [])]
    users = [use.owner.operation for use in value.uses]
    return follower if all(u in known or u.name == "memref.dealloc" for u in users) else None


def _follows(follower: Any, op: Any, value: Any) -> bool:
    """Whether an operation may run for each element as soon as its sum is done."""
    count = int(ir.DenseI32ArrayAttr(follower.attributes["operandSegmentSizes"])[0])
    inputs, outputs = list(follower.operands)[:count], list(follower.operands)[count:]
    body = follower.regions[0].blocks[0]
    if inputs.count(value) != 1 or value in outputs or "reduction" in str(follower.attributes["iterator_types"]):
        return False
    if not is_elementwise(body) or indices_used(body) or _loops_of(_maps(follower)[inputs.index(value)]) is None:
        return False
    written = {buffer_root(v) for v in outputs}
    read = [v for v in [*op.operands, *inputs] if isinstance(v.type, ir.MemRefType)]
    return len(written) == len(outputs) and not any(buffer_root(v) in written for v in read)


def _same_loops(found: Followed, count: int) -> dict[int, int]:
    """The loop of the sum's nest, of `count`, for loops of the follower: those that index one dimension."""
    extra = count - _maps(found.sum)[-1].n_dims  # loops around the sum that its nest has absorbed come first
    written, read = _loops_of(_maps(found.sum)[-1]), _loops_of(_maps(found.follower)[found.position])
    assert written is not None and read is not None, "checked when the follower was found"
    return {r: w + extra for r, w in zip(read, written, strict=True) if r is not None and w is not None}


def _maps(op: Any) -> list[Any]:
    return [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(op.attributes["indexing_maps"])]


def _output(op: Any) -> Any:
    return op.operands[len(op.operands) - 1]
