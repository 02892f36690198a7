"""Which facts matter for how given unknowns are related: the ones on a way from one of them to another.

A graph with unknowns and facts as nodes and an edge where a fact mentions an unknown. A fact matters if it lies on a
simple path between two of the given unknowns; with one more node that all of them are joined to, that is: if it lies in
a biconnected component with that node (Tarjan 1972). Leaving any fact out is sound: less is known then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stratagem.compiler.checks.host_sizes import Fact

ROOT = -1
Node = int | str
"""A fact by its number, an unknown by its name, or the root."""


def relating(given: Iterable[str], facts: Sequence[Fact]) -> list[Fact]:
    """The facts that relate the given unknowns to each other, or say something of them alone; in the given order."""
    given = list(given)
    graph: dict[Node, list[Node]] = {ROOT: list(given), **{name: [ROOT] for name in given}}
    for number, fact in enumerate(facts):
        graph[number] = sorted(fact.names)
        for name in graph[number]:
            graph.setdefault(name, []).append(number)
    near = _with_root(graph)
    alone = {n for n, fact in enumerate(facts) if fact.names <= set(given)}
    return [fact for n, fact in enumerate(facts) if n in near or n in alone]


def _with_root(graph: dict[Node, list[Node]]) -> set[Node]:
    """All nodes of biconnected components that the root is in, by a depth-first search from it."""
    depth: dict[Node, int] = {ROOT: 0}
    low: dict[Node, int] = {ROOT: 0}
    found: set[Node] = set()
    path: list[Node] = []
    pending: list[tuple[Node, Node, int]] = [(ROOT, ROOT, 0)]
    while pending:
        node, parent, at = pending.pop()
        if at == 0:
            path.append(node)
        if at < len(graph[node]):
            pending.append((node, parent, at + 1))
            _visit(graph[node][at], node, parent, depth, low, pending)
            continue
        if node == ROOT:
            break
        low[parent] = min(low[parent], low[node])
        if low[node] < depth[parent]:
            continue
        cut = path.index(node)  # everything below, up to here, is one component with the parent
        component, path = path[cut:], path[:cut]
        if parent == ROOT and len(component) > 1:
            found.update(component)
    return found


def _visit(
    to: Node,
    node: Node,
    parent: Node,
    depth: dict[Node, int],
    low: dict[Node, int],
    pending: list[tuple[Node, Node, int]],
) -> None:
    if to == parent:
        return
    if to in depth:
        low[node] = min(low[node], depth[to])
        return
    depth[to] = low[to] = depth[node] + 1
    pending.append((to, node, 0))
