"""Brings a graph to the form `emit` takes: simplified as far as it goes, every If with one type."""

from __future__ import annotations

from stratagem.compiler.frontends.onnx.bodies import BranchesDiffer
from stratagem.compiler.frontends.onnx.branches import take_branch
from stratagem.compiler.frontends.onnx.graph import Graph, TensorType
from stratagem.compiler.frontends.onnx.reduce import reduce_graph
from stratagem.compiler.frontends.onnx.settle import settle


def simplify(graph: Graph) -> None:
    """Simplifies; where the branches of an If have no common type, takes the one that the rest of the graph fits.

    Raises UnsupportedError for bodies that do not fit, and for an If of which not exactly one branch fits.
    """
    refusal = reduce_graph(graph)
    while isinstance(refusal, BranchesDiffer) and refusal.graph is graph:
        take_branch(graph, refusal.node, settle(refusal))
        refusal = reduce_graph(graph)
    if refusal is not None:
        raise refusal
    if graph.parent is None:
        _rank_outputs(graph)


def _rank_outputs(graph: Graph) -> None:
    """Outputs whose rank inference does not find have the one the model states."""
    for name in graph.outputs:
        kind, stated = graph.types.get(name), graph.declared.get(name)
        if kind is not None and kind.shape is None and stated is not None:
            free = None if stated.shape is None else (None,) * len(stated.shape)
            graph.types[name] = TensorType(stated.element, free)
