"""The rounds of simplification: constants folded, shapes resolved, odd operators rewritten."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.frontends.onnx.bodies import prepare_bodies
from stratagem.compiler.frontends.onnx.branches import resolve_conditions
from stratagem.compiler.frontends.onnx.build import infer_types
from stratagem.compiler.frontends.onnx.fold import fold_constants
from stratagem.compiler.frontends.onnx.graph import Graph, describe, drop_dead, replace_inputs
from stratagem.compiler.frontends.onnx.refine import refine_types
from stratagem.compiler.frontends.onnx.rewrites import rewrite_nodes
from stratagem.compiler.frontends.onnx.shapes import propagate_shapes
from stratagem.compiler.frontends.onnx.weights import checked_count
from stratagem.runtime.errors import UnsupportedError

ROUNDS = 12


def reduce_graph(graph: Graph) -> UnsupportedError | None:
    """Rewrites until nothing changes; each round may open the way for the next.

    Returns why a body does not fit, None when all do. Raises ModelError for what no later round could mend.
    """
    refusal = None
    for _ in range(ROUNDS):
        infer_types(graph)
        _check_sizes(graph)
        before = _fingerprint(graph)
        fold_constants(graph)
        graph.partial = propagate_shapes(graph)
        refine_types(graph)
        resolve_conditions(graph)
        rewrite_nodes(graph)
        remove_copies(graph)
        drop_dead(graph)
        refusal = _prepare_bodies(graph)
        if _fingerprint(graph) == before:
            break
    return refusal


def _check_sizes(graph: Graph) -> None:
    for one in graph.nodes:
        for name in one.output:
            kind = graph.types.get(name)
            if kind is not None and kind.static is not None:
                checked_count(kind.static, f"{describe(one)}: value '{name}'")


def _prepare_bodies(graph: Graph) -> UnsupportedError | None:
    """Bodies may not fit before every shape is known; what does not fit in the last round is refused."""
    try:
        prepare_bodies(graph)
    except UnsupportedError as error:
        return error
    return None


def _fingerprint(graph: Graph) -> tuple[Any, ...]:
    return (
        len(graph.constants),
        tuple((n.op_type, *n.input, *n.output) for n in graph.nodes),
        tuple(graph.types.items()),
    )


def remove_copies(graph: Graph) -> None:
    """Removes Identity nodes, except where a graph output would lose its name."""
    names: dict[str, str] = {}
    kept = []
    for one in graph.nodes:
        replace_inputs(one, names)
        if one.op_type == "Identity" and one.output[0] not in graph.outputs:
            names[one.output[0]] = one.input[0]
        else:
            kept.append(one)
    graph.nodes = kept
