"""If, Loop and Scan as scf.if, scf.for and scf.while around calls to their bodies' functions; assertions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, func, scf, tensor

from stratagem.compiler.frontends.onnx.bodies import body_key, is_always_true, outward_type, scan_attributes
from stratagem.compiler.frontends.onnx.call import Call
from stratagem.compiler.frontends.onnx.graph import Dim, describe
from stratagem.compiler.frontends.onnx.reshape import cast, index
from stratagem.compiler.ir import find_function
from stratagem.runtime.errors import UnsupportedError


class _Body:
    """A body's function: its types after the wheel's passes, and calls to it."""

    def __init__(self, call: Call, attribute: str, captured: Sequence[Any]) -> None:
        self.name = call.opaque.bodies[attribute]
        self.graph = call.opaque.graph.bodies[body_key(call.node, attribute)]
        function = find_function(call.module, self.name)
        kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
        self.inputs, self.results, self.captured = list(kind.inputs), list(kind.results), list(captured)

    def __call__(self, *operands: Any) -> list[Any]:
        given = [cast(o, t) for o, t in zip([*operands, *self.captured], self.inputs, strict=True)]
        return list(func.CallOp(self.results, self.name, given).results)


def _captured(call: Call, attribute: str) -> list[Any]:
    names = call.opaque.captured
    values = dict(zip(names, call.operands[len(call.node.input) :], strict=True))
    return [values[n] for n in call.opaque.captured_by[attribute]]


def _scalar(value: Any) -> Any:
    """The one element of a tensor of one element (rank 0, or [1])."""
    return tensor.ExtractOp(value, [index(0)] * ir.RankedTensorType(value.type).rank).result


def lower_if(call: Call) -> Sequence[Any]:
    op = scf.IfOp(_scalar(call.operands[0]), call.types, has_else=True)
    for block, attribute in ((op.then_block, "then_branch"), (op.else_block, "else_branch")):
        with ir.InsertionPoint(block):
            results = _Body(call, attribute, _captured(call, attribute))()
            scf.YieldOp([cast(r, t) for r, t in zip(results, call.types, strict=True)])
    return list(op.results)


def lower_assertion(call: Call) -> Sequence[Any]:
    """The values as they are. The check follows the condition at once: before what is only right if it holds."""
    condition, *values = call.operands
    given = call.attributes()
    made_by = condition.owner
    at_once = ir.InsertionPoint.at_block_begin if isinstance(made_by, ir.Block) else ir.InsertionPoint.after
    with at_once(made_by):
        holds = _scalar(condition)
        if not given["expects"]:
            holds = arith.XOrIOp(holds, _true()).result
        cf.AssertOp(holds, ir.StringAttr.get(given["message"]))
    return [cast(v, t) for v, t in zip(values, call.types, strict=True)]


def lower_scan(call: Call) -> Sequence[Any]:
    """Scan: states go round; slices of the scanned inputs go in, slices of the scanned outputs come out."""
    given = scan_attributes(call.node)
    scanned = given["num_scan_inputs"]
    states = len(call.node.input) - scanned
    body = _Body(call, "body", _captured(call, "body"))
    sources = call.operands[states : states + scanned]
    axes = [_axis(a, s) for a, s in zip(given["scan_input_axes"], sources, strict=True)]
    backwards = given["scan_input_directions"]
    ranks = [ir.RankedTensorType(r).rank + 1 for r in body.results[states:]]
    out_axes = [a % rank for a, rank in zip(given["scan_output_axes"], ranks, strict=True)]
    out_backwards = given["scan_output_directions"]
    length = tensor.DimOp(sources[0], index(axes[0])).result
    stacked = [_stack(call, body, states + i, length, a) for i, a in enumerate(out_axes)]
    first = [cast(o, t) for o, t in zip(call.operands[:states], body.inputs, strict=False)]
    loop = scf.ForOp(index(0), length, index(1), [*first, *stacked])
    with ir.InsertionPoint(loop.body):
        step = loop.induction_variable
        carried = list(loop.inner_iter_args)
        places = {b: _place(step, length, b) for b in {*backwards, *out_backwards}}
        slices = [_take(s, a, places[b]) for s, a, b in zip(sources, axes, backwards, strict=True)]
        results = body(*carried[:states], *slices)
        after = [cast(r, f.type) for r, f in zip(results, first, strict=False)]
        put = [
            _put(r, into, a, places[b])
            for r, into, a, b in zip(results[states:], carried[states:], out_axes, out_backwards, strict=True)
        ]
        scf.YieldOp([*after, *put])
    return _wanted(call, list(loop.results))


def lower_loop(call: Call) -> Sequence[Any]:
    """Loop: scf.for when only the trip count ends it, else scf.while."""
    body = _Body(call, "body", _captured(call, "body"))
    trip, condition = call.operands[0], call.operands[1]
    if trip is not None and condition is None and is_always_true(body.graph, body.graph.outputs[0]):
        return _counted(call, body, trip)
    if trip is not None and _starts_true(call) and is_always_true(body.graph, body.graph.outputs[0]):
        return _counted(call, body, trip)
    return _conditional(call, body, trip, condition)


def _starts_true(call: Call) -> bool:
    array = call.opaque.graph.constant(call.node.input[1])
    return array is not None and bool(array.reshape(-1)[0])


def _states(call: Call, body: _Body) -> list[Any]:
    operands = call.operands[2 : len(call.node.input)]
    return [cast(o, t) for o, t in zip(operands, body.inputs[2:], strict=False)]


def _counted(call: Call, body: _Body, trip: Any) -> Sequence[Any]:
    first = _states(call, body)
    length = arith.MaxSIOp(_index(_scalar(trip)), index(0)).result
    outs = body.results[1 + len(first) :]
    stacked = [_stack(call, body, 1 + len(first) + i, length, 0) for i in range(len(outs))]
    loop = scf.ForOp(index(0), length, index(1), [*first, *stacked])
    with ir.InsertionPoint(loop.body):
        step, carried = loop.induction_variable, list(loop.inner_iter_args)
        results = body(_tensor(_i64(step)), _tensor(_true()), *carried[: len(first)])[1:]
        after = [cast(r, f.type) for r, f in zip(results, first, strict=False)]
        put = [_put(r, into, 0, step) for r, into in zip(results[len(first) :], carried[len(first) :], strict=True)]
        scf.YieldOp([*after, *put])
    return _wanted(call, list(loop.results))


def _conditional(call: Call, body: _Body, trip: Any, condition: Any) -> Sequence[Any]:
    """Loop ended by its condition: state (step, go on, carried ..., stacked ...). Stacks need a bound on the
    steps.
    """
    first = _states(call, body)
    outs = body.results[1 + len(first) :]
    if outs and trip is None:
        raise UnsupportedError(f"{describe(call.node)} stacks outputs without a maximal trip count", hint="give it one")
    limit = _index(_scalar(trip)) if trip is not None else None
    stacked = [_stack(call, body, 1 + len(first) + i, limit, 0) for i in range(len(outs))]
    start = [index(0), _scalar(condition) if condition is not None else _true(), *first, *stacked]
    types = [s.type for s in start]
    loop = scf.WhileOp(types, start)
    locations = [call.location] * len(types)
    before = loop.before.blocks.append(*types, arg_locs=locations)
    after = loop.after.blocks.append(*types, arg_locs=locations)
    with ir.InsertionPoint(before):
        step, go = before.arguments[0], before.arguments[1]
        if limit is not None:
            go = arith.AndIOp(go, arith.CmpIOp(arith.CmpIPredicate.slt, step, limit).result).result
        scf.ConditionOp(go, list(before.arguments))
    with ir.InsertionPoint(after):
        step, _, *carried = after.arguments
        results = body(_tensor(_i64(step)), _tensor(_true()), *carried[: len(first)])
        again = _scalar(results[0])
        if outs:
            _assert_place(call, step, limit)
        states = [cast(r, f.type) for r, f in zip(results[1:], first, strict=False)]
        put = [_put(r, into, 0, step) for r, into in zip(results[1 + len(first) :], carried[len(first) :], strict=True)]
        scf.YieldOp([arith.AddIOp(step, index(1)).result, again, *states, *put])
    steps, _, *results = loop.results
    cut = [_cut(r, steps) for r in results[len(first) :]]
    return _wanted(call, [*results[: len(first)], *cut])


def _assert_place(call: Call, step: Any, limit: Any) -> None:
    """Says what the loop's condition ensures, for the proof that each slice has a place in its stack."""
    begun = arith.CmpIOp(arith.CmpIPredicate.sge, step, index(0)).result
    ends = arith.CmpIOp(arith.CmpIPredicate.slt, step, limit).result
    cf.AssertOp(arith.AndIOp(begun, ends).result, ir.StringAttr.get(f"{describe(call.node)} stacks too many slices"))


def _wanted(call: Call, results: list[Any]) -> list[Any]:
    """Of all results those the node names, under the types wanted."""
    named = [r for r, name in zip(results, call.node.output, strict=True) if name]
    return [cast(r, t) for r, t in zip(named, call.types, strict=True)]


def _stack(call: Call, body: _Body, output: int, length: Any, axis: int) -> Any:
    """An empty tensor for `length` slices of body output `output` along `axis`."""
    kind = ir.RankedTensorType(body.results[output])
    outward = outward_type(body.graph, body.graph.outputs[output])
    shape = outward.shape if outward and outward.shape else ()
    sizes = [_outer_size(call, shape[i]) if kind.is_dynamic_dim(i) else kind.get_dim_size(i) for i in range(kind.rank)]
    return tensor.EmptyOp([*sizes[:axis], length, *sizes[axis:]], kind.element_type).result


def _outer_size(call: Call, name: Dim) -> Any:
    """A size with this name, taken from a value outside the loop; the number itself if it is one."""
    if isinstance(name, int):
        return name
    graph = call.opaque.graph
    outside = zip([*(i for i in call.node.input), *call.opaque.captured], call.operands, strict=True)
    for value, operand in outside:
        shape = graph.shape_of(value) or () if value else ()
        if name is not None and name in shape:
            return tensor.DimOp(operand, index(shape.index(name))).result
    raise UnsupportedError(
        f"{describe(call.node)} stacks slices whose size is not known before the loop",
        hint="fix the sizes of the model's inputs (input_shapes=...)",
    )


def _axis(axis: int, source: Any) -> int:
    return axis % int(ir.RankedTensorType(source.type).rank)


def _place(step: Any, length: Any, backwards: int) -> Any:
    if not backwards:
        return step
    return arith.SubIOp(arith.SubIOp(length, step).result, index(1)).result


def _take(source: Any, axis: int, at: Any) -> Any:
    """Slice `at` of `source` along `axis`, which goes away."""
    kind = ir.RankedTensorType(source.type)
    sizes = [1 if i == axis else _dim(source, kind, i) for i in range(kind.rank)]
    offsets = [at if i == axis else 0 for i in range(kind.rank)]
    result = ir.RankedTensorType.get([_static(s) for i, s in enumerate(sizes) if i != axis], kind.element_type)
    return _extract(source, result, offsets, sizes)


def _put(value: Any, into: Any, axis: int, at: Any) -> Any:
    kind = ir.RankedTensorType(into.type)
    sizes = [1 if i == axis else _dim(into, kind, i) for i in range(kind.rank)]
    offsets = [at if i == axis else 0 for i in range(kind.rank)]
    value = cast(
        value,
        ir.RankedTensorType.get([_static(s) for i, s in enumerate(sizes) if i != axis], kind.element_type),
    )
    static, dynamic = _mixed(offsets)
    static_sizes, dynamic_sizes = _mixed(sizes)
    ones = [1] * kind.rank
    return tensor.InsertSliceOp(value, into, dynamic, dynamic_sizes, [], static, static_sizes, ones).result


def _cut(stacked: Any, length: Any) -> Any:
    kind = ir.RankedTensorType(stacked.type)
    sizes = [length, *(_dim(stacked, kind, i) for i in range(1, kind.rank))]
    result = ir.RankedTensorType.get([_static(s) for s in sizes], kind.element_type)
    return _extract(stacked, result, [0] * kind.rank, sizes)


def _extract(source: Any, result: Any, offsets: list[Any], sizes: list[Any]) -> Any:
    static, dynamic = _mixed(offsets)
    static_sizes, dynamic_sizes = _mixed(sizes)
    ones = [1] * len(sizes)
    return tensor.ExtractSliceOp(result, source, dynamic, dynamic_sizes, [], static, static_sizes, ones).result


def _mixed(values: list[Any]) -> tuple[list[int], list[Any]]:
    """Static part with markers, and the dynamic values, as slice ops take them."""
    return [_static(v) for v in values], [v for v in values if not isinstance(v, int)]


def _static(value: Any) -> int:
    return value if isinstance(value, int) else ir.ShapedType.get_dynamic_size()


def _dim(source: Any, kind: Any, at: int) -> Any:
    return tensor.DimOp(source, index(at)).result if kind.is_dynamic_dim(at) else kind.get_dim_size(at)


def _index(value: Any) -> Any:
    return arith.IndexCastOp(ir.IndexType.get(), value).result


def _i64(value: Any) -> Any:
    return arith.IndexCastOp(ir.IntegerType.get_signless(64), value).result


def _true() -> Any:
    kind = ir.IntegerType.get_signless(1)
    return arith.ConstantOp(kind, ir.IntegerAttr.get(kind, 1)).result


def _tensor(value: Any) -> Any:
    return tensor.FromElementsOp(ir.RankedTensorType.get([], value.type), [value]).result
