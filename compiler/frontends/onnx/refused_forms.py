"""Forms of operators that are refused before lowering, because their lowering would be wrong or crash.

Each rule looks at one node and says what stands in the way, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stratagem.compiler.frontends.onnx.graph import ASSERT, Graph, attributes, describe
from stratagem.compiler.frontends.onnx.weights import STORED
from stratagem.runtime.errors import UnsupportedError

Rule = Callable[[Graph, Any], tuple[str, str] | None]
"""(what stands in the way, what to do), or None when the node is fine."""


def refuse_forms(graph: Graph, source: str) -> None:
    """Raises UnsupportedError for the first node, bodies included, that has a refused form."""
    for one in graph.nodes:
        rule = _RULES.get(one.op_type)
        found = _computes_on_small_types(graph, one) or (rule(graph, one) if rule else None)
        if found:
            raise UnsupportedError(f"{source}: {describe(one)}: {found[0]}", hint=found[1])
    for body in graph.bodies.values():
        refuse_forms(body, source)


def _computes_on_small_types(graph: Graph, one: Any) -> tuple[str, str] | None:
    """Numbers stored in bytes may be moved and cast; anything else would compute with the bytes."""
    if one.op_type in _MOVES:
        return None
    kinds = [graph.type_of(name) for name in [*one.input, *one.output] if name]
    small = next((STORED[k.element] for k in kinds if k and k.element in STORED), None)
    if small is None:
        return None
    return f"it computes with elements of type {small}", "cast them to float16 or int8 before it"


_MOVES = frozenset({
    "Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Slice", "Gather", "Split",
    "GatherElements", "GatherND", "Expand", "Tile", "Where", "Shape", "Size", "If", "Loop", "Scan", ASSERT,
})  # fmt: skip


def _axes_computed(graph: Graph, one: Any) -> tuple[str, str] | None:
    if len(one.input) > 1 and one.input[1] and graph.constant(one.input[1]) is None:
        return "its axes are computed when the program runs", "give the axes as a constant"
    return None


def _slice_axes_computed(graph: Graph, one: Any) -> tuple[str, str] | None:
    for position, what in ((3, "axes"), (4, "steps")):
        if len(one.input) > position and one.input[position] and graph.constant(one.input[position]) is None:
            return f"its {what} are computed when the program runs", f"give the {what} as a constant"
    return None


def _einsum_of_scalars(graph: Graph, one: Any) -> tuple[str, str] | None:
    if any(graph.shape_of(i) == () for i in one.input):
        return "it has a scalar operand", "multiply by the scalar with Mul"
    return None


def _free_space_to_depth(graph: Graph, one: Any) -> tuple[str, str] | None:
    if attributes(one).get("mode", "DCR") == "CRD":
        return "mode CRD needs known sizes", "fix the sizes of the model's inputs (input_shapes=...)"
    return None


def _free_pool_indices(graph: Graph, one: Any) -> tuple[str, str] | None:
    if len(one.output) > 1 and one.output[1]:
        return "its indices need known sizes", "fix the sizes of the model's inputs (input_shapes=...)"
    return None


def _always(problem: str, hint: str) -> Rule:
    def rule(graph: Graph, one: Any) -> tuple[str, str] | None:
        return problem, hint

    return rule


_REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
_RULES: dict[str, Rule] = {
    **{f"Reduce{name}": _axes_computed for name in _REDUCTIONS},
    **{name: _always("it draws random numbers", "draw them outside and pass them as an input") for name in _RANDOM},
    "Slice": _slice_axes_computed,
    "Einsum": _einsum_of_scalars,
    "MaxPool": _free_pool_indices,
    "SpaceToDepth": _free_space_to_depth,
    "Det": _always("a determinant needs pivoting, which no lowering has", "write small determinants out"),
    "NonMaxSuppression": _always("the number of its results depends on the data", "run it on the model's outputs"),
}
