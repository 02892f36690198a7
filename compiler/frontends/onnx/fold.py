"""Constant folding: a node whose inputs are all constants becomes constants, by onnx's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from stratagem.compiler.frontends.constants import Array
from stratagem.compiler.frontends.onnx.graph import ONNX_TYPES, Graph, TensorType

RESULT_LIMIT = 2**20
"""Elements: larger results are left to be computed by the program, unless they are no larger than the inputs.
"""
SAME_SIZE_LIMIT = 16 * 2**20
"""Bytes: results no larger than their inputs are folded up to this size."""

RANDOM = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
    "Dropout",
}
BODIES = {"If", "Loop", "Scan", "SequenceMap"}
# fmt: off
NOT_GROWING = {
    "Cast", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice", "Flatten", "Neg",
    "Abs", "Not", "Sqrt", "Exp", "Log", "Reciprocal", "Floor", "Ceil", "Shape", "Size", "Concat",
    "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin",
}
BROADCASTING = {
    "Add", "Sub", "Mul", "Div", "Max", "Min", "Mod", "Pow", "Equal", "Less", "Greater",
    "LessOrEqual", "GreaterOrEqual", "And", "Or", "Where",
}
# fmt: on


def fold_constants(graph: Graph) -> bool:
    """Folds in one sweep over the sorted nodes; returns whether anything changed."""
    kept = []
    for one in graph.nodes:
        results = _evaluate(graph, one)
        if results is None:
            kept.append(one)
            continue
        for name, array in results.items():
            graph.constants[name] = array
            graph.types.pop(name, None)
    changed = len(kept) < len(graph.nodes)
    graph.nodes = kept
    return changed


def _evaluate(graph: Graph, one: Any) -> dict[str, Array] | None:
    if one.op_type in RANDOM | BODIES or one.domain:
        return None
    names = [i for i in one.input if i]
    arrays = [graph.constant(n) for n in names]
    inputs = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    if len(inputs) < len(set(names)) or not names or not _fits(graph, one, list(inputs.values())):
        return None
    return run_node(one, inputs, graph.opset)


def run_node(one: Any, inputs: dict[str, Array], opset: int) -> dict[str, Array] | None:
    """The node's results on these arrays by onnx's reference; None where the reference has no answer."""
    values = [onnx.helper.make_tensor_value_info(n, ONNX_TYPES[a.dtype], list(a.shape)) for n, a in inputs.items()]
    outputs = [o for o in one.output if o]
    results = [onnx.ValueInfoProto(name=o) for o in outputs]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([one], "fold", values, results),
        opset_imports=[onnx.helper.make_opsetid("", opset)],
    )
    try:
        with np.errstate(all="ignore"):
            arrays = ReferenceEvaluator(model).run(outputs, inputs)
    except Exception:  # whatever the reference cannot do stays in the program
        return None
    found = [np.asarray(a) for a in arrays]
    return dict(zip(outputs, found, strict=True)) if all(a.dtype in ONNX_TYPES for a in found) else None


def _fits(graph: Graph, one: Any, inputs: list[Array]) -> bool:
    """Whether the results are small enough; decided before anything is computed."""
    biggest = max(a.nbytes for a in inputs)
    if one.op_type in NOT_GROWING:
        return sum(a.nbytes for a in inputs) <= SAME_SIZE_LIMIT
    if biggest > SAME_SIZE_LIMIT:
        return False
    if one.op_type in BROADCASTING:
        return _product(_broadcast(inputs)) <= RESULT_LIMIT
    if one.op_type == "Gather":
        data, indices = inputs[0], inputs[-1]
        return data.size * max(indices.size, 1) <= RESULT_LIMIT
    return all(_small(graph.type_of(o)) for o in one.output if o)


def _small(kind: TensorType | None) -> bool:
    sizes = kind.static if kind else None
    return sizes is not None and _product(sizes) <= RESULT_LIMIT


def _broadcast(arrays: list[Array]) -> list[int]:
    try:
        return list(np.broadcast_shapes(*(a.shape for a in arrays)))
    except ValueError:
        return [RESULT_LIMIT + 1]


def _product(sizes: list[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
