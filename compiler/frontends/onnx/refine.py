"""Sharper types than onnx's inference gives, from partly known shapes and sizes made equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stratagem.compiler.frontends.onnx.graph import Dim, Graph, TensorType, attributes
from stratagem.compiler.frontends.onnx.shapes import Partial

Shape = tuple[Dim, ...]


def refine_types(graph: Graph) -> None:
    """Applies the shape rules below in node order, then gives sizes that must be equal one name or number."""
    pairs: list[tuple[Dim, Dim]] = []
    for one in graph.nodes:
        rule = _RULES.get(one.op_type)
        found = rule(graph, one) if rule else None
        for name, shape in zip(one.output, found or [], strict=False):
            pairs.extend(_note(graph, name, shape))
    for (first, i), (second, j) in graph.equal_sizes:
        left, right = graph.shape_of(first), graph.shape_of(second)
        if left is not None and right is not None:
            pairs.append((left[i], right[j]))
    names = _equal_names(graph, pairs)
    if names:
        rename_sizes(graph, names)


def _note(graph: Graph, name: str, shape: Shape) -> list[tuple[Dim, Dim]]:
    """Fills in what was unknown; returns pairs of sizes that turn out to be the same."""
    kind = graph.type_of(name)
    if not name or kind is None:
        return []
    if kind.shape is None or len(kind.shape) != len(shape):
        graph.types[name] = TensorType(kind.element, shape)
        return []
    pairs = list(zip(kind.shape, shape, strict=True))
    graph.types[name] = TensorType(kind.element, tuple(new if old is None else old for old, new in pairs))
    return pairs


def partial_of(graph: Graph, name: str) -> Sequence[Dim] | None:
    """A shape operand element by element."""
    constant = graph.constant(name)
    if constant is not None:
        return [int(v) for v in constant.reshape(-1)]
    value: Partial | None = graph.partial.get(name)
    return None if value is None else [v if isinstance(v, (int, str)) else None for v in value.reshape(-1)]


def _length(graph: Graph, name: str) -> int | None:
    sizes = graph.shape_of(name)
    return sizes[0] if sizes is not None and len(sizes) == 1 and isinstance(sizes[0], int) else None


def _reshape(graph: Graph, one: Any) -> list[Shape] | None:
    wanted = partial_of(graph, one.input[1])
    if wanted is None:
        rank = _length(graph, one.input[1])
        return None if rank is None else [(None,) * rank]
    before = graph.shape_of(one.input[0])
    zero_copies = not attributes(one).get("allowzero", 0)
    shape = []
    for i, size in enumerate(wanted):
        if size == 0 and zero_copies:
            size = before[i] if before is not None and i < len(before) else None
        shape.append(None if size == -1 else size)
    return [tuple(shape)]


def _expand(graph: Graph, one: Any) -> list[Shape] | None:
    wanted, before = partial_of(graph, one.input[1]), graph.shape_of(one.input[0])
    if wanted is None or before is None:
        return None
    rank = max(len(wanted), len(before))
    left = [1] * (rank - len(before)) + list(before)
    right = [1] * (rank - len(wanted)) + list(wanted)
    return [tuple(_broadcast(a, b) for a, b in zip(left, right, strict=True))]


def _broadcast(a: Dim, b: Dim) -> Dim:
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    return a if isinstance(a, int) else b if isinstance(b, int) else None


def _top_k(graph: Graph, one: Any) -> list[Shape] | None:
    sizes, count = graph.shape_of(one.input[0]), partial_of(graph, one.input[1])
    if sizes is None:
        return None
    axis = attributes(one).get("axis", -1) % len(sizes)
    shape = (*sizes[:axis], count[0] if count else None, *sizes[axis + 1 :])
    return [shape, shape]


def _range(graph: Graph, one: Any) -> list[Shape] | None:
    begin, end, step = (partial_of(graph, name) for name in one.input)
    if begin and end and begin[0] == 0 and step and step[0] == 1 and isinstance(end[0], str):
        return [(end[0],)]
    return None


def _like_second(graph: Graph, one: Any) -> list[Shape] | None:
    sizes = graph.shape_of(one.input[1])
    return None if sizes is None else [sizes]


def _like_first(graph: Graph, one: Any) -> list[Shape] | None:
    sizes = graph.shape_of(one.input[0])
    return None if sizes is None else [sizes]


_RULES: dict[str, Callable[[Graph, Any], list[Shape] | None]] = {
    "Reshape": _reshape,
    "Expand": _expand,
    "TopK": _top_k,
    "Range": _range,
    "GatherElements": _like_second,
    "ScatterElements": _like_first,
    "ScatterND": _like_first,
}


def _equal_names(graph: Graph, pairs: list[tuple[Dim, Dim]]) -> dict[str, Dim]:
    """From pairs of equal sizes: name -> what to call it instead. Numbers win, then names of input sizes."""
    leaders: dict[str, Dim] = {}
    given = {d for i in graph.inputs for d in graph.shape_of(i) or ()}

    def find(size: Dim) -> Dim:
        while isinstance(size, str) and size in leaders:
            size = leaders[size]
        return size

    for left, right in pairs:
        a, b = find(left), find(right)
        if a == b or a is None or b is None:
            continue
        if isinstance(a, str) and (isinstance(b, int) or b in given or a not in given):
            leaders[a] = b
        elif isinstance(b, str):
            leaders[b] = a
    return {name: find(name) for name in leaders}


def rename_sizes(graph: Graph, names: dict[str, Dim]) -> None:
    """Calls sizes otherwise, or by their numbers, wherever types and shape arithmetic name them."""
    for value, kind in graph.types.items():
        if kind.shape is not None:
            shape = tuple(names.get(d, d) if isinstance(d, str) else d for d in kind.shape)
            graph.types[value] = TensorType(kind.element, shape)
    for value, partial in graph.partial.items():
        for index, size in enumerate(partial.reshape(-1)):
            if isinstance(size, str) and size in names:
                graph.partial[value].reshape(-1)[index] = names[size]
