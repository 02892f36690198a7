"""Shape arithmetic with partly known sizes.

Models compute shapes with ordinary nodes: `Shape` -> `Gather` -> `Concat` -> `Reshape`. Here small integer
tensors are followed element by element; each element is a number, the name of a free size, or unknown.
Elements that turn out to be numbers make constants, and names tell later steps which sizes are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from stratagem.compiler.frontends.constants import Array
from stratagem.compiler.frontends.onnx.fold import run_node
from stratagem.compiler.frontends.onnx.graph import Dim, Graph, attributes

Partial = np.ndarray[Any, Any]
"""Object array of rank 0 or 1 whose elements are `int | str | None`."""

SIZE_LIMIT = 64
_MOVES = {"Gather", "Slice", "Concat", "Squeeze", "Unsqueeze", "Reshape", "Flatten"}
_COPIES = {"Cast", "Identity"}


def propagate_shapes(graph: Graph) -> dict[str, Partial]:
    """Partly known values by name. Fully known ones become constants of the graph, and their nodes go."""
    known: dict[str, Partial] = {}
    kept = []
    for one in graph.nodes:
        value = _value_of(graph, one, known)
        dtype = _dtype(graph, one.output[0]) if one.output else None
        if value is None or dtype is None or len(one.output) != 1:
            kept.append(one)
            continue
        known[one.output[0]] = value
        if all(isinstance(v, int) for v in value.reshape(-1)):
            graph.constants[one.output[0]] = value.astype(dtype)
        else:
            kept.append(one)
    graph.nodes = kept
    return known


def _dtype(graph: Graph, name: str) -> np.dtype[Any] | None:
    kind = graph.type_of(name)
    names: dict[int, np.dtype[Any]] = {6: np.dtype(np.int32), 7: np.dtype(np.int64), 9: np.dtype(np.bool_)}
    return names.get(kind.element) if kind else None


def _value_of(graph: Graph, one: Any, known: dict[str, Partial]) -> Partial | None:
    if one.op_type == "Shape":
        return _shape(graph, one)
    if one.op_type == "Size":
        sizes = graph.shape_of(one.input[0])
        return None if sizes is None else _array(_product(list(sizes)))
    operands = [_operand(graph, name, known) for name in one.input]
    if not operands or any(o is None for o in operands):
        return None
    if one.op_type in _MOVES | _COPIES:
        return _move(one, [o for o in operands if o is not None], graph.opset)
    if one.op_type == "ReduceProd" and operands[0] is not None and attributes(one).get("keepdims", 1) == 0:
        return _array(_product(list(operands[0].reshape(-1))))
    rule = _SCALAR_RULES.get(one.op_type)
    return _map(rule, [o for o in operands if o is not None]) if rule else None


def _operand(graph: Graph, name: str, known: dict[str, Partial]) -> Partial | None:
    if name in known:
        return known[name]
    array = graph.constant(name)
    if array is None or array.ndim > 1 or array.size > SIZE_LIMIT or array.dtype.kind not in "iub":
        return None
    return array.astype(object)


def _array(value: Dim) -> Partial:
    out = np.empty((), object)
    out[()] = value
    return out


def _shape(graph: Graph, one: Any) -> Partial | None:
    sizes = graph.shape_of(one.input[0])
    if sizes is None:
        return None
    given = attributes(one)
    chosen = sizes[given.get("start", 0) : given.get("end")]
    out = np.empty(len(chosen), object)
    out[:] = chosen
    return out


def _move(one: Any, operands: list[Partial], opset: int) -> Partial | None:
    """Runs a data-moving node on serial numbers of the elements, then puts the elements where the numbers
    went.
    """
    data = operands if one.op_type == "Concat" else operands[:1]
    if one.op_type == "Cast" and attributes(one)["to"] not in (6, 7):
        return None
    elements = [e for d in data for e in d.reshape(-1)]
    if any(isinstance(v, str) or v is None for o in operands[len(data) :] for v in o.reshape(-1)):
        return None
    if one.op_type in _COPIES:
        return operands[0]
    inputs: dict[str, Array] = {}
    start = 0
    for name, operand in zip(one.input, operands, strict=True):
        if len(inputs) < len(data):
            inputs[name] = np.arange(start, start + operand.size, dtype=np.int64).reshape(operand.shape)
            start += operand.size
        else:
            inputs[name] = operand.astype(np.int64)
    results = run_node(one, inputs, opset) if len(inputs) == len(one.input) else None
    if results is None:
        return None
    places = next(iter(results.values()))
    if places.ndim > 1:
        return None
    out = np.empty(places.shape, object)
    for index in np.ndindex(places.shape):
        out[index] = elements[int(places[index])]
    return out


def _map(rule: Callable[..., Dim], operands: list[Partial]) -> Partial | None:
    arrays = np.broadcast_arrays(*operands)
    out = np.empty(arrays[0].shape, object)
    for index in np.ndindex(out.shape):
        values = [_plain(a[index]) for a in arrays]
        out[index] = rule(*values)
    return out


def _plain(value: Any) -> Dim:
    return int(value) if isinstance(value, (int, np.integer, np.bool_)) else value


def _product(sizes: list[Any]) -> Dim:
    result: Dim = 1
    for size in sizes:
        result = _multiply(result, _plain(size))
    return result


def _add(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return b if a == 0 else a if b == 0 else None


def _subtract(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    if isinstance(a, str) and a == b:
        return 0
    return a if b == 0 else None


def _multiply(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if a == 0 or b == 0:
        return 0
    return b if a == 1 else a if b == 1 else None


def _divide(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return None if b == 0 else int(a / b)
    return a if b == 1 else None


def _equal(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return int(a == b)
    if isinstance(a, str) and a == b:
        return 1
    negative = (isinstance(a, int) and a < 0 and isinstance(b, str)) or (
        isinstance(b, int) and b < 0 and isinstance(a, str)
    )
    return 0 if negative else None  # sizes are never negative


def _where(condition: Dim, a: Dim, b: Dim) -> Dim:
    if condition is None or isinstance(condition, str):
        return a if a == b else None
    return a if condition else b


def _both(rule: Callable[[int, int], int]) -> Callable[[Dim, Dim], Dim]:
    def apply(a: Dim, b: Dim) -> Dim:
        return rule(a, b) if isinstance(a, int) and isinstance(b, int) else a if a == b else None

    return apply


_SCALAR_RULES: dict[str, Callable[..., Dim]] = {
    "Add": _add,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Equal": _equal,
    "Where": _where,
    "Max": _both(max),
    "Min": _both(min),
}
