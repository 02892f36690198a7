"""Replaces the opaque calls that `emit` wrote by linalg, once the wheel's passes are through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, tensor

from stratagem.compiler.frontends.onnx.call import Call, Lowering
from stratagem.compiler.frontends.onnx.emit import Opaque
from stratagem.compiler.frontends.onnx.graph import ASSERT, Dim, Graph, describe
from stratagem.compiler.frontends.onnx.integer_products import is_integer_product, lower_integer_product
from stratagem.compiler.frontends.onnx.lower_bits import lower_bit_cast, lower_bit_shift
from stratagem.compiler.frontends.onnx.lower_cast import is_own_cast, lower_cast
from stratagem.compiler.frontends.onnx.lower_control import lower_assertion, lower_if, lower_loop, lower_scan
from stratagem.compiler.frontends.onnx.lower_reduce import lower_cumulative_product, lower_product
from stratagem.compiler.frontends.onnx.reshape import (
    Group,
    build_reshape,
    dims_product,
    index,
    join_empty,
    match_groups,
    take_dims,
)
from stratagem.compiler.ir import walk
from stratagem.runtime.errors import UnsupportedError


def lower_calls(module: Any, calls: dict[str, Opaque]) -> None:
    """Replaces every opaque call in `module`, and removes the declarations."""
    for op in list(walk(module.operation)):
        if op.name != "func.call":
            continue
        name = str(op.attributes["callee"]).removeprefix("@").strip('"')
        if name in calls:
            _replace(module, op, calls[name])
    for op in list(module.body.operations):
        if op.operation.name == "func.func" and ir.StringAttr(op.attributes["sym_name"]).value in calls:
            op.operation.erase()


def _replace(module: Any, op: Any, opaque: Opaque) -> None:
    given = iter(op.operands)
    operands = [next(given) if i else None for i in opaque.node.input]
    operands += list(given)
    call = Call(opaque, operands, [r.type for r in op.results], module, op.location)
    with ir.InsertionPoint(op), op.location:
        results = LOWERINGS[opaque.node.op_type](call)
    for old, new in zip(op.results, results, strict=True):
        old.replace_all_uses_with(new)
    op.erase()


def _reshape(call: Call) -> Sequence[Any]:
    source, shape = call.operands[0], call.operands[1]
    before = call.shape(0)
    wanted = _requested(call)
    after = _resolved(before, wanted, call.opaque.graph.shape_of(call.node.output[0]))
    sizes = [_size(call, source, shape, before, after, wanted, i) for i in range(len(after))]
    return [build_reshape(source, match_groups(before, after), sizes, call.types[0])]


def _requested(call: Call) -> list[Dim]:
    """The shape operand element by element; numbers may be -1 (the rest) or 0 (as before, unless `allowzero`)."""
    graph, name = call.opaque.graph, call.node.input[1]
    constant = graph.constant(name)
    if constant is not None:
        return [int(v) for v in constant]
    partial = graph.partial.get(name)
    if partial is not None:
        return [v if isinstance(v, (int, str)) else None for v in partial]
    return [None] * len(graph.shape_of(call.node.output[0]) or ())


def _resolved(before: tuple[Dim, ...], wanted: list[Dim], inferred: tuple[Dim, ...] | None) -> list[Dim]:
    after = [before[i] if w == 0 and i < len(before) else w for i, w in enumerate(wanted)]
    known = list(inferred) if inferred is not None and len(inferred) == len(after) else [None] * len(after)
    after = [k if isinstance(k, int) or w is None else w for w, k in zip(after, known, strict=True)]
    if after.count(-1) == 1:
        at = after.index(-1)
        after[at] = _rest(before, after[:at] + after[at + 1 :])
    return after


def _rest(before: Sequence[Dim], others: Sequence[Dim]) -> Dim:
    """What is left of `before` when the factors of `others` are taken out, if one number or one name."""
    if any(d is None for d in [*before, *others]):
        return None
    number, names = 1, [d for d in before if isinstance(d, str)]
    for size in before:
        number *= size if isinstance(size, int) else 1
    for size in others:
        if isinstance(size, str):
            if size not in names:
                return None
            names.remove(size)
        elif not size or number % size:
            return None
        else:
            number //= size
    if not names:
        return number
    return names[0] if len(names) == 1 and number == 1 else None


def _size(
    call: Call, source: Any, shape: Any, before: tuple[Dim, ...], after: list[Dim], wanted: list[Dim], at: int
) -> Any:
    """The size of output dimension `at`: a number where it is known, else an index value."""
    size = after[at]
    if isinstance(size, int):
        return size
    if isinstance(size, str) and size in before:
        return tensor.DimOp(source, index(before.index(size))).result
    if wanted[at] == -1:
        return _remaining(source, [_element(shape, i, source, call) for i in range(len(wanted)) if i != at])
    value = _element(shape, at, source, call)
    if wanted[at] is not None:
        return value
    others = [_element(shape, i, source, call) for i in range(len(wanted)) if i != at]
    is_rest = arith.CmpIOp(arith.CmpIPredicate.slt, value, index(0)).result
    return arith.SelectOp(is_rest, _remaining(source, others, guard=True), value).result


def _element(shape: Any, at: int, source: Any, call: Call) -> Any:
    """Element `at` of the shape operand as an index, zeros replaced by the size before."""
    value = tensor.ExtractOp(shape, [index(at)]).result
    value = arith.IndexCastOp(ir.IndexType.get(), value).result
    if call.attributes().get("allowzero", 0) or at >= ir.RankedTensorType(source.type).rank:
        return value
    is_zero = arith.CmpIOp(arith.CmpIPredicate.eq, value, index(0)).result
    return arith.SelectOp(is_zero, tensor.DimOp(source, index(at)).result, value).result


def _remaining(source: Any, others: list[Any], guard: bool = False) -> Any:
    """All elements of `source` divided by the other sizes. `guard`: the others may hold a -1 or 0."""
    total, divisor = index(1), index(1)
    for i in range(ir.RankedTensorType(source.type).rank):
        total = arith.MulIOp(total, tensor.DimOp(source, index(i)).result).result
    for other in others:
        divisor = arith.MulIOp(divisor, other).result
    if guard:
        divisor = arith.MaxSIOp(divisor, index(1)).result
    return arith.DivSIOp(total, divisor).result


def _flatten(call: Call) -> Sequence[Any]:
    """[a, b, c, d] -> [a*b, c*d] for axis 2."""
    source = call.operands[0]
    rank = ir.RankedTensorType(source.type).rank
    axis = call.attributes().get("axis", 1)
    axis += rank if axis < 0 else 0
    halves = [tuple(range(axis)), tuple(range(axis, rank))]
    sizes = [dims_product(source, half) for half in halves]
    groups = join_empty([Group(half, (i,)) for i, half in enumerate(halves)])
    return [build_reshape(source, groups, sizes, call.types[0])]


def _squeeze(call: Call) -> Sequence[Any]:
    source = call.operands[0]
    rank, kept = ir.RankedTensorType(source.type).rank, ir.RankedTensorType(call.types[0]).rank
    gone = _constant_axes(call, rank)
    if gone is None:
        gone = {i for i, size in enumerate(call.shape(0)) if size == 1}
    places = [i for i in range(rank) if i not in gone]
    if len(places) != kept:
        raise UnsupportedError(
            f"{describe(call.node)}: the axes to squeeze are computed", hint="give them as a constant"
        )
    _assert_ones(call, [i for i in range(rank) if i in gone])
    return [take_dims(source, places, call.types[0])]


def _assert_ones(call: Call, axes: Sequence[int]) -> None:
    """Free sizes that a Squeeze removes are checked: with another size the elements would not fit the result."""
    source = call.operands[0]
    kind = ir.RankedTensorType(source.type)
    for axis in (i for i in axes if kind.is_dynamic_dim(i)):
        size = tensor.DimOp(source, index(axis)).result
        is_one = arith.CmpIOp(arith.CmpIPredicate.eq, size, index(1)).result
        message = f"{describe(call.node)} removes dimension {axis} of '{call.node.input[0]}': its size must be 1"
        cf.AssertOp(is_one, ir.StringAttr.get(message))


def _unsqueeze(call: Call) -> Sequence[Any]:
    source = call.operands[0]
    rank = ir.RankedTensorType(call.types[0]).rank
    axes = _constant_axes(call, rank)
    if axes is None:
        raise UnsupportedError(
            f"{describe(call.node)}: the axes to insert are computed", hint="give them as a constant"
        )
    rest = iter(range(ir.RankedTensorType(source.type).rank))
    return [take_dims(source, [None if i in axes else next(rest) for i in range(rank)], call.types[0])]


def _constant_axes(call: Call, rank: int) -> set[int] | None:
    if len(call.node.input) < 2 or not call.node.input[1]:
        return None
    constant = call.opaque.graph.constant(call.node.input[1])
    return None if constant is None else {int(a) % rank for a in constant.reshape(-1)}


LOWERINGS: dict[str, Lowering] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "If": lower_if,
    "Loop": lower_loop,
    "Scan": lower_scan,
    "BitCast": lower_bit_cast,
    "BitShift": lower_bit_shift,
    "Cast": lower_cast,
    "CumProd": lower_cumulative_product,
    "MatMulInteger": lower_integer_product,
    "ReduceProd": lower_product,
    ASSERT: lower_assertion,
}


def is_opaque(graph: Graph, one: Any) -> bool:
    """Whether a node is written as an opaque call, for its lowering here."""
    if one.op_type in ("Cast", "MatMulInteger"):
        return is_own_cast(graph, one) if one.op_type == "Cast" else is_integer_product(graph, one)
    return one.op_type in LOWERINGS
