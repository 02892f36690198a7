"""Graph rewrites, ONNX to ONNX, by operator. One function each; they return the nodes that replace a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from stratagem.compiler.frontends.onnx.computed_axes import (
    REDUCTIONS,
    cumulate_along_computed_axis,
    reduce_along_computed_axes,
    slice_along_computed_axes,
    squeeze_computed_axes,
    unsqueeze_computed_axes,
)
from stratagem.compiler.frontends.onnx.definitions import DEFINITIONS, Rewrite
from stratagem.compiler.frontends.onnx.empty_sets import reduce_empty_set
from stratagem.compiler.frontends.onnx.graph import Graph, attributes, node
from stratagem.compiler.frontends.onnx.integer_products import integer_product
from stratagem.compiler.frontends.onnx.pool_indices import max_pool_with_indices
from stratagem.compiler.frontends.onnx.pooling import pad_explicitly
from stratagem.compiler.frontends.onnx.quantized import dequantize, quantize, quantized_product
from stratagem.compiler.frontends.onnx.rnn import unroll_recurrence
from stratagem.compiler.frontends.onnx.writer import Writer


def rewrite_nodes(graph: Graph) -> bool:
    """Applies each node's rewrite once; returns whether anything changed."""
    out: list[Any] = []
    changed = False
    root = graph.root()
    tables = [REWRITES, *([WHEN_SETTLED] if root.settled else []), {k: DEFINITIONS[k] for k in root.spelled_out}]
    for one in graph.nodes:
        rules = [table[one.op_type] for table in tables if one.op_type in table]
        new = next((made for rule in rules if (made := rule(graph, one)) is not None), None)
        changed |= new is not None
        out.extend([one] if new is None else new)
    graph.nodes = out
    return changed


def _dropout(graph: Graph, one: Any) -> Sequence[Any] | None:
    """At inference Dropout passes its input; the mask is all true."""
    training = graph.constant(one.input[2]) if len(one.input) > 2 and one.input[2] else np.array(False)
    if training is None or training.any() or (len(one.output) > 1 and one.output[1]):
        return None
    return [node("Identity", [one.input[0]], [one.output[0]], one.name)]


def _cast(graph: Graph, one: Any) -> Sequence[Any] | None:
    kind = graph.type_of(one.input[0])
    if kind is None or kind.element != attributes(one)["to"]:
        return None
    return [node("Identity", [one.input[0]], [one.output[0]], one.name)]


def _cast_like(graph: Graph, one: Any) -> Sequence[Any] | None:
    """The second input only gives the type."""
    kind, given = graph.type_of(one.input[1]), attributes(one)
    if kind is None:
        return None
    how = {k: given[k] for k in ("saturate", "round_mode") if k in given}
    return [node("Cast", [one.input[0]], [one.output[0]], one.name, to=kind.element, **how)]


def _constant_of_shape(graph: Graph, one: Any) -> Sequence[Any] | None:
    """A value repeated: Expand of a scalar."""
    given = attributes(one).get("value")
    value = np.zeros(1, np.float32) if given is None else np.asarray(onnx.numpy_helper.to_array(given))
    scalar = graph.add_constant(f"{one.name}/value", value.reshape(()))
    return [node("Expand", [scalar, one.input[0]], [one.output[0]], one.name)]


def _matmul(graph: Graph, one: Any) -> Sequence[Any] | None:
    """[..., k] @ [k, n] with all leading dimensions as one: the matrix is not repeated for each of them."""
    left, right = graph.shape_of(one.input[0]), graph.shape_of(one.input[1])
    if left is None or right is None:
        return None
    if min(len(left), len(right)) == 1 and max(len(left), len(right)) > 2:
        return _product_with_vector(graph, one, len(left) == 1)
    if len(left) < 3 or len(right) != 2:
        return None
    if not all(isinstance(size, int) and size > 0 for size in right):
        return None
    write = Writer(graph, one.name or one.output[0])
    flat = write.op("Reshape", one.input[0], write.const(np.array([-1, right[0]], np.int64)))
    product = write.op("MatMul", flat, one.input[1])
    leading = write.op("Shape", one.input[0], start=0, end=len(left) - 1)
    shape = write.op("Concat", leading, write.const(np.array([right[1]], np.int64)), axis=0)
    write.into("Reshape", [product, shape], one.output[0], allowzero=1)
    return write.nodes


def _product_with_vector(graph: Graph, one: Any, on_the_left: bool) -> Sequence[Any]:
    """A vector is a row on the left, a column on the right, of all matrices of a batch."""
    write = Writer(graph, one.name or one.output[0])
    operands, extra = list(one.input), write.ints(0 if on_the_left else 1)
    at = 0 if on_the_left else 1
    operands[at] = write.op("Unsqueeze", operands[at], extra)
    write.into("Squeeze", [write.op("MatMul", *operands), write.ints(-2 if on_the_left else -1)], one.output[0])
    return write.nodes


def _lp_normalization(graph: Graph, one: Any) -> Sequence[Any] | None:
    """x / norm along an axis; zero where the norm is."""
    given = attributes(one)
    kind = graph.type_of(one.input[0])
    if kind is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    axis = write.ints(given.get("axis", -1))
    norm = write.op("ReduceL1" if given.get("p", 2) == 1 else "ReduceL2", one.input[0], axis, keepdims=1)
    zero = write.const(np.zeros((), onnx.helper.tensor_dtype_to_np_dtype(kind.element)))
    quotient = write.op("Div", one.input[0], norm)
    write.into("Where", [write.op("Equal", norm, zero), zero, quotient], one.output[0])
    return write.nodes


def _negative_pad(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Negative amounts cut: a Slice, then a Pad of the rest."""
    sizes = graph.shape_of(one.input[0])
    amounts = graph.constant(one.input[1]) if len(one.input) > 1 else None
    if amounts is None or sizes is None or not (amounts < 0).any():
        return None
    axes = list(range(len(sizes)))
    if len(one.input) > 3 and one.input[3]:
        chosen = graph.constant(one.input[3])
        if chosen is None:
            return None
        axes = [int(a) % len(sizes) for a in chosen]
    n = len(axes)
    write = Writer(graph, one.name or one.output[0])
    begins, ends = amounts[:n], amounts[n:]
    last = [int(e) if e < 0 else np.iinfo(np.int64).max for e in ends]
    cut = write.op("Slice", one.input[0], write.ints(*np.maximum(-begins, 0)), write.ints(*last), write.ints(*axes))
    rest = write.const(np.maximum(amounts, 0).astype(np.int64))
    fill = one.input[2] if len(one.input) > 2 else ""
    write.into("Pad", [cut, rest, fill, write.ints(*axes)], one.output[0], mode=attributes(one).get("mode"))
    return write.nodes


def _space_to_depth(graph: Graph, one: Any) -> Sequence[Any] | None:
    """[n, c, h, w] -> [n, c*b*b, h/b, w/b]; mode CRD keeps the channels outermost, DCR the block."""
    given, kind = attributes(one), graph.type_of(one.input[0])
    sizes = kind.static if kind else None
    if given.get("mode", "DCR") != "CRD" or sizes is None:
        return None
    (n, c, h, w), b = sizes, given["blocksize"]
    write = Writer(graph, one.name or one.output[0])
    split = write.op("Reshape", one.input[0], write.ints(n, c, h // b, b, w // b, b))
    moved = write.op("Transpose", split, perm=[0, 1, 3, 5, 2, 4])
    write.into("Reshape", [moved, write.ints(n, c * b * b, h // b, w // b)], one.output[0])
    return write.nodes


def _max_pool(graph: Graph, one: Any) -> Sequence[Any] | None:
    return max_pool_with_indices(graph, one) or pad_explicitly(graph, one)


def _reverse_sequence(graph: Graph, one: Any) -> Sequence[Any] | None:
    """For each batch the first `length` steps backwards, the rest as they are: a gather along the time axis."""
    given, sizes = attributes(one), graph.shape_of(one.input[0])
    if sizes is None:
        return None
    time, batch = given.get("time_axis", 0), given.get("batch_axis", 1)
    write = Writer(graph, one.name or one.output[0])
    count = write.op("Reshape", write.op("Shape", one.input[0], start=time, end=time + 1), write.ints())
    laid = [[-1 if i == axis else 1 for i in range(len(sizes))] for axis in (time, batch)]
    step = write.op("Reshape", write.op("Range", write.index(0), count, write.index(1)), write.ints(*laid[0]))
    length = write.op("Reshape", one.input[1], write.ints(*laid[1]))
    last = write.op("Sub", length, write.index(1))
    place = write.op("Where", write.op("Less", step, length), write.op("Sub", last, step), step)
    places = write.op("Expand", place, write.op("Shape", one.input[0]))
    write.into("GatherElements", [one.input[0], places], one.output[0], axis=time)
    return write.nodes


def _cumulative_product(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Backwards is forwards between two reversals."""
    given, axis = attributes(one), graph.constant(one.input[1])
    if not given.pop("reverse", 0) or axis is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    least = np.iinfo(np.int64).min
    backwards = [write.ints(-1), write.ints(least), write.ints(int(axis.reshape(-1)[0])), write.ints(-1)]
    product = write.op("CumProd", write.op("Slice", one.input[0], *backwards), one.input[1], **given)
    write.into("Slice", [product, *backwards], one.output[0])
    return write.nodes


REWRITES: dict[str, Rewrite] = {
    "CumProd": _cumulative_product,
    "Dropout": _dropout,
    "Cast": _cast,
    "CastLike": _cast_like,
    "ConstantOfShape": _constant_of_shape,
    "DequantizeLinear": dequantize,
    "QuantizeLinear": quantize,
    "QLinearMatMul": quantized_product,
    "ReverseSequence": _reverse_sequence,
    "SpaceToDepth": _space_to_depth,
    "LpNormalization": _lp_normalization,
    "MatMul": _matmul,
    "MatMulInteger": integer_product,
    "Pad": _negative_pad,
    "ReduceMax": reduce_empty_set,
    "ReduceMin": reduce_empty_set,
    "ReduceMean": reduce_empty_set,
    "ReduceProd": reduce_empty_set,
    "Conv": pad_explicitly,
    "MaxPool": _max_pool,
    "AveragePool": pad_explicitly,
    "LSTM": unroll_recurrence,
    "GRU": unroll_recurrence,
    "RNN": unroll_recurrence,
}

WHEN_SETTLED: dict[str, Rewrite] = {
    **dict.fromkeys(REDUCTIONS, reduce_along_computed_axes),
    "CumSum": cumulate_along_computed_axis,
    "CumProd": cumulate_along_computed_axis,
    "Slice": slice_along_computed_axes,
    "Squeeze": squeeze_computed_axes,
    "Unsqueeze": unsqueeze_computed_axes,
}
"""Rewrites of what would become simpler, were its operands constant."""

_DECISIVE = {"Slice": (3, 4), "DFT": (2,)}
"""Operator -> the inputs that matter, where it is not the second one."""


def decided_by_the_run(graph: Graph) -> bool:
    """Whether a node, in bodies too, waits for an input to become constant that does not."""
    for one in graph.nodes:
        places = _DECISIVE.get(one.op_type, (1,)) if one.op_type in {*WHEN_SETTLED, "DFT"} else ()
        names = [one.input[place] for place in places if place < len(one.input) and one.input[place]]
        if any(graph.constant(name) is None for name in names):
            return True
    return any(decided_by_the_run(body) for body in graph.bodies.values())
