"""Loops over the window of a convolution around one structured operation become loops of the operation.

Before: `scf.for p { scf.for q { scf.for c { generic on slices at (p, q, c) } } }`, which walks the weights once per
place of the window and keeps sums in memory. After: one nest with p, q and c among its reductions, which keeps them in
registers and may walk them in the order that suits memory. Only perfect nests whose slices move linearly, and only
around a loop of step 1: other staging loops are there for the caches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.cpu.loops.nest import DYNAMIC, Nest

_ADDRESSING = ("memref.subview", "memref.cast", "affine.apply", "arith.constant", "arith.addi", "arith.muli")


@dataclass(frozen=True)
class Absorbed:
    """One loop around an operation: its operation, first counter value, trip count, and for each operand of the inner
    operation the elements by which one iteration moves it."""

    loop: Any
    begin: int
    count: int
    moves: tuple[int, ...]


def window_loops(op: Any) -> list[Absorbed]:
    """The loops to absorb, outermost first; empty when there is none with step 1 or the nest is not perfect."""
    found: list[Absorbed] = []
    inner, parent = op, op.parent.operation
    while parent.name == "scf.for" and not parent.results and _is_perfect(parent, inner):
        one = _read_loop(parent, op)
        if one is None:
            break
        found.insert(0, one)
        inner, parent = parent, parent.parent.operation
    while found and _constant(found[0].loop.operands[2]) != 1:
        del found[0]
    return found


def clone_at_first_iteration(op: Any, loops: list[Absorbed]) -> Any:
    """A copy of `op` and of its addressing before the outermost loop, at the first value of every counter."""
    values: dict[Any, Any] = {}
    with ir.InsertionPoint(loops[0].loop):
        for one in loops:
            counter = one.loop.regions[0].blocks[0].arguments[0]
            begin = ir.IntegerAttr.get(counter.type, one.begin)
            values[counter] = ir.Operation.create(
                "arith.constant", results=[counter.type], attributes={"value": begin}
            ).result
        for one in loops:
            for child in one.loop.regions[0].blocks[0].operations:
                inner = child.operation
                if inner.name in _ADDRESSING or inner == op:
                    copy = inner.clone().operation
                    for i, operand in enumerate(copy.operands):
                        copy.operands[i] = values.get(operand, operand)
                    values.update(zip(inner.results, copy.results, strict=True))
                    result = copy
    return result


def with_loops(nest: Nest, loops: list[Absorbed]) -> Nest:
    """The nest with the absorbed loops as its outermost reductions."""
    extra = len(loops)

    def moved(index: int) -> Any:
        access = nest.accesses[index]
        steps = tuple(one.moves[index] for one in loops) if access.pointer is not None else (0,) * extra
        return replace(access, coefficients=steps + access.coefficients)

    count = len(nest.inputs)
    return replace(
        nest,
        sizes=[one.count for one in loops] + nest.sizes,
        parallel=[False] * extra + nest.parallel,
        inputs=[moved(i) for i in range(count)],
        outputs=[moved(count + i) for i in range(len(nest.outputs))],
        position=[None if p is None else p + extra for p in nest.position],
    )


def _is_perfect(loop: Any, inner: Any) -> bool:
    """Whether the loop holds `inner` and otherwise only the arithmetic of its addresses."""
    children = [child.operation for child in loop.regions[0].blocks[0].operations][:-1]
    return all(child == inner or child.name in _ADDRESSING for child in children)


def _read_loop(loop: Any, op: Any) -> Absorbed | None:
    begin, end, step = (_constant(v) for v in list(loop.operands)[:3])
    if begin is None or end is None or step is None or end <= begin or (end - begin) % step:
        return None
    counter = loop.regions[0].blocks[0].arguments[0]
    moves = [buffer_move(v, counter) for v in op.operands]
    if any(m is None for m in moves):
        return None
    outputs = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))[1]
    if any(moves[-outputs:]):  # an output that moves is no sum over the loop
        return None
    return Absorbed(loop, begin, (end - begin) // step, tuple((m or 0) * step for m in moves))


def _constant(value: Any) -> int | None:
    if isinstance(value.owner, ir.Block) or value.owner.operation.name != "arith.constant":
        return None
    return int(ir.IntegerAttr(value.owner.operation.attributes["value"]).value)


def buffer_move(value: Any, counter: Any) -> int | None:
    """Elements by which a buffer's start moves with the counter; None when that is not a known constant."""
    if isinstance(value.owner, ir.Block) or not isinstance(value.type, ir.MemRefType):
        return 0
    op = value.owner.operation
    if op.name == "memref.cast":
        return buffer_move(op.operands[0], counter)
    if op.name != "memref.subview":
        return 0
    groups = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    operands = list(op.operands)
    offsets = iter(operands[1 : 1 + groups[1]])
    if any(_index_move(v, counter) != 0 for v in operands[1 + groups[1] :]):
        return None
    total = buffer_move(op.operands[0], counter)
    strides, _ = ir.MemRefType(op.operands[0].type).get_strides_and_offset()
    for static, stride in zip(ir.DenseI64ArrayAttr(op.attributes["static_offsets"]), strides, strict=True):
        move = _index_move(next(offsets), counter) if static == DYNAMIC else 0
        if move is None or total is None or (move and stride == DYNAMIC):
            return None
        total += move * int(stride) if move else 0
    return total


def _index_move(value: Any, counter: Any) -> int | None:
    """How much an index grows when the counter grows by one."""
    if value == counter:
        return 1
    if isinstance(value.owner, ir.Block):
        return 0
    op = value.owner.operation
    inner = [_index_move(v, counter) for v in op.operands]
    if not any(m != 0 for m in inner):
        return 0
    if any(m is None for m in inner):
        return None
    if op.name == "arith.addi":
        return sum(m for m in inner if m is not None)
    if op.name == "arith.muli":
        factors = [_constant(v) for v in op.operands]
        moved = [m * f for m, f in zip(inner, reversed(factors), strict=True) if m and f is not None]
        return moved[0] if len(moved) == 1 else None
    if op.name == "affine.apply":
        return _map_move(op, [m or 0 for m in inner])
    return None


def _map_move(op: Any, moves: list[int]) -> int | None:
    one = ir.AffineMapAttr(op.attributes["map"]).value
    return _expression_move(one.results[0], moves, one.n_dims)


def _expression_move(expression: Any, moves: list[int], dims: int) -> int | None:
    if isinstance(expression, ir.AffineConstantExpr):
        return 0
    if isinstance(expression, ir.AffineDimExpr):
        return moves[int(ir.AffineDimExpr(expression).position)]
    if isinstance(expression, ir.AffineSymbolExpr):
        return moves[dims + int(ir.AffineSymbolExpr(expression).position)]
    if isinstance(expression, ir.AffineAddExpr):
        a, b = (_expression_move(e, moves, dims) for e in (expression.lhs, expression.rhs))
        return None if a is None or b is None else a + b
    if isinstance(expression, ir.AffineMulExpr):
        for one, other in ((expression.lhs, expression.rhs), (expression.rhs, expression.lhs)):
            if isinstance(one, ir.AffineConstantExpr):
                move = _expression_move(other, moves, dims)
                return None if move is None else move * int(ir.AffineConstantExpr(one).value)
    return None
