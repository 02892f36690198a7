"""Which branch of an If the rest of a graph fits, when the branches have no common type.

The exporters of frameworks with dynamic shapes write `x.squeeze(0)` as an If: one rank where the size is one, another
where it is not. A program has one rank per value, but mostly the model has, too: what reads the result takes only one
of them. Each branch is tried: the graph is copied, the branch put in place under what its condition says about
sizes, and types are inferred strictly. The program then asserts that the condition has the value of the branch taken.
"""

from __future__ import annotations

import dataclasses

from stratagem.compiler.frontends.onnx.bodies import BranchesDiffer
from stratagem.compiler.frontends.onnx.branches import take_branch
from stratagem.compiler.frontends.onnx.conditions import assume
from stratagem.compiler.frontends.onnx.graph import ASSERT, Graph, attributes, copied
from stratagem.compiler.frontends.onnx.reduce import reduce_graph
from stratagem.runtime.errors import ModelError

DEPTH = 4
"""Conditions tried together. Where one more is undecided, the branch in question is held to fit."""


def settle(conflict: BranchesDiffer) -> bool:
    """The value of the condition under which the rest of the graph has types.

    Raises BranchesDiffer when there are types under both values, or under neither.
    """
    objections = {value: _objection(conflict, value, DEPTH) for value in (True, False)}
    fitting = [value for value, objection in objections.items() if not objection]
    if len(fitting) == 1:
        return fitting[0]
    found = "either branch"
    if not fitting:
        found = f"neither branch (then: {objections[True]}; else: {objections[False]})"
    raise BranchesDiffer(conflict.graph, conflict.node, f"{conflict.problem}; the rest of the model fits {found}")


def _objection(conflict: BranchesDiffer, value: bool, depth: int) -> str:
    """Why the graph has no types when the condition is `value`; empty when it has, or when that stays open."""
    at = next(i for i, one in enumerate(conflict.graph.nodes) if one is conflict.node)
    trial = _copy(conflict.graph)
    take_branch(trial, trial.nodes[at], value)
    try:
        _assume_assertions(trial)
        refusal = reduce_graph(trial)
    except ModelError as error:
        return error.problem
    if not isinstance(refusal, BranchesDiffer):
        return refusal.problem if refusal is not None else _misstated(trial)
    if refusal.graph is not trial or depth == 0:
        return ""
    further = [_objection(refusal, choice, depth - 1) for choice in (True, False)]
    return "" if "" in further else further[0]


def _copy(graph: Graph) -> Graph:
    """The graph with nodes and tables of its own; arrays are shared."""
    return dataclasses.replace(
        graph,
        nodes=[copied(one) for one in graph.nodes],
        outputs=list(graph.outputs),
        constants=dict(graph.constants),
        types=dict(graph.types),
        partial={name: value.copy() for name, value in graph.partial.items()},
        equal_sizes=list(graph.equal_sizes),
        bodies={},
        strict=True,
    )


def _assume_assertions(trial: Graph) -> None:
    expected: dict[str, bool] = {}
    for one in [n for n in trial.nodes if n.op_type == ASSERT]:
        value = bool(attributes(one)["expects"])
        if expected.setdefault(one.input[0], value) != value:
            raise ModelError(f"'{one.input[0]}' would have to be both true and false")
    for condition, value in expected.items():
        assume(trial, condition, value)


def _misstated(trial: Graph) -> str:
    """The value whose rank or element type is not the one that the model states."""
    for name, stated in trial.declared.items():
        kind = trial.types.get(name)
        if kind is None or kind.shape is None or stated.shape is None:
            continue
        if kind.element != stated.element or len(kind.shape) != len(stated.shape):
            return f"'{name}' would have shape {list(kind.shape)}, the model states {list(stated.shape)}"
    return ""
