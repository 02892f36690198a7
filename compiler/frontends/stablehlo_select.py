"""stablehlo.select_and_scatter (the gradient of max pooling) as loops: one window after the other, in
order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, scf, tensor

from stratagem.compiler.frontends.stablehlo_scalars import extract_scalar, inline_scalars
from stratagem.compiler.frontends.stablehlo_sizes import constant

Predicate = arith.CmpIPredicate


def lower_select_and_scatter(op: Any) -> None:
    """For each source element: find the element of its window that `select` prefers, then `scatter` into it. A window
    that lies wholly in the padding has none, and its source element goes nowhere.

    Before: select_and_scatter(operand, source, init) {select} {scatter}, windows with strides and padding.
    After: loops over the source around loops over the window; the chosen place travels as indices.
        Elements of a
    window in the padding do not take part.
    """
    operand, source, init = op.operands
    rank = operand.type.rank
    window = integers_of(op, "window_dimensions", [1] * rank)
    strides = integers_of(op, "window_strides", [1] * rank)
    low, _ = padding_of(op, rank)
    select, scatter = (region.blocks[0] for region in op.regions)
    with ir.InsertionPoint(op), op.location:
        free = [_size(operand, d) for d in range(rank) if operand.type.is_dynamic_dim(d)]
        start = tensor.SplatOp(operand.type, extract_scalar(init), free).result
        extent = [_size(source, d) for d in range(rank)]

        def visit(counters: list[Any], state: list[Any]) -> list[Any]:
            corner = [_corner(i, s, p) for i, s, p in zip(counters, strides, low, strict=True)]
            found, *place = _choose(operand, corner, window, select)

            def update() -> list[Any]:
                value = tensor.ExtractOp(source, counters).result
                return [_scatter(state[0], place, value, scatter)]

            # The place is inside wherever there is one; that it is stands here for the proof of the update.
            return _guarded(arith.AndIOp(found, _inside(operand, place)).result, state, update)

        result = loop_nest(extent, [start], visit)[0]
    op.results[0].replace_all_uses_with(result)
    op.erase()


def loop_nest(extents: Sequence[Any], state: list[Any], visit: Any, counters: Sequence[Any] = ()) -> list[Any]:
    """Loops from 0 to each extent, outermost first, carrying `state`; `visit(counters, state)` gives the
    next state."""
    if len(counters) == len(extents):
        return list(visit(list(counters), state))
    loop = scf.ForOp(constant(0), extents[len(counters)], constant(1), state)
    with ir.InsertionPoint(loop.body):
        inner = [*counters, loop.induction_variable]
        scf.YieldOp(loop_nest(extents, list(loop.inner_iter_args), visit, inner))
    return list(loop.results)


def _choose(operand: Any, corner: list[Any], window: Sequence[int], select: Any) -> list[Any]:
    """Whether the window has an element inside, and the indices of the one that `select` keeps against all others; the
    first one inside begins."""
    found = arith.ConstantOp(ir.IntegerType.get_signless(1), 0).result
    state = [found, *([constant(0)] * len(corner))]

    def visit(counters: list[Any], state: list[Any]) -> list[Any]:
        here = [arith.AddIOp(c, i).result for c, i in zip(corner, counters, strict=True)]
        return _guarded(_inside(operand, here), state, lambda: _better(operand, here, state, select))

    return loop_nest([constant(n) for n in window], state, visit)


def _better(operand: Any, here: list[Any], state: list[Any], select: Any) -> list[Any]:
    """The next choice: the place so far where there is one and `select(value there, value here)` holds,
    else here."""
    found, best = state[0], state[1:]
    there_value = tensor.ExtractOp(operand, best).result
    here_value = tensor.ExtractOp(operand, here).result
    keeps = arith.AndIOp(found, inline_scalars(select, [there_value, here_value])[0]).result
    places = [arith.SelectOp(keeps, b, h).result for b, h in zip(best, here, strict=True)]
    return [arith.ConstantOp(found.type, 1).result, *places]


def _scatter(result: Any, place: list[Any], value: Any, scatter: Any) -> Any:
    """`result` with `scatter(old, value)` at `place`."""
    old = tensor.ExtractOp(result, place).result
    (new,) = inline_scalars(scatter, [old, value])
    rank = len(place)
    one = tensor.FromElementsOp(ir.RankedTensorType.get([1] * rank, value.type), [new]).result
    dynamic = ir.ShapedType.get_dynamic_size()
    static = [ir.DenseI64ArrayAttr.get([n] * rank) for n in (dynamic, 1, 1)]
    return tensor.InsertSliceOp(one, result, place, [], [], *static).result


def _guarded(condition: Any, state: list[Any], then: Any) -> list[Any]:
    choice = scf.IfOp(condition, [v.type for v in state], has_else=True)
    with ir.InsertionPoint(choice.then_block):
        scf.YieldOp(then())
    with ir.InsertionPoint(choice.else_block):
        scf.YieldOp(state)
    return list(choice.results)


def _inside(operand: Any, place: list[Any]) -> Any:
    inside = arith.ConstantOp(ir.IntegerType.get_signless(1), 1).result
    for d, index in enumerate(place):
        for test in (
            arith.CmpIOp(Predicate.sge, index, constant(0)),
            arith.CmpIOp(Predicate.slt, index, _size(operand, d)),
        ):
            inside = arith.AndIOp(inside, test.result).result
    return inside


def _corner(counter: Any, stride: int, low: int) -> Any:
    return arith.SubIOp(arith.MulIOp(counter, constant(stride)).result, constant(low)).result


def _size(value: Any, dimension: int) -> Any:
    return tensor.DimOp(value, constant(dimension)).result


def integers_of(op: Any, key: str, otherwise: list[int]) -> list[int]:
    """An attribute of one integer per dimension."""
    return list(ir.DenseI64ArrayAttr(op.attributes[key])) if key in op.attributes else otherwise


def padding_of(op: Any, rank: int) -> tuple[list[int], list[int]]:
    """The padding before and behind each dimension."""
    if "padding" not in op.attributes:
        return [0] * rank, [0] * rank
    pairs = [int(n) for n in ir.DenseIntElementsAttr(op.attributes["padding"])]
    pairs = pairs if len(pairs) == 2 * rank else pairs[:1] * (2 * rank)
    return pairs[::2], pairs[1::2]
