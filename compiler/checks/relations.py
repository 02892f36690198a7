"""Which facts matter for how given unknowns are related: the ones on a way from one of them to another.

A graph of unknowns, with an edge where one fact mentions both. A fact matters if its unknowns lie on simple paths
between two of the given ones; with a root that all of these are joined to, that is: in a biconnected component with the
root (Tarjan 1972). What hangs on a single unknown is left out. That is sound: less is known then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stratagem.compiler.checks.host_sizes import Fact

ROOT = ""
"""The node that all given unknowns are joined to; no unknown has this name."""


def relating(given: Iterable[str], facts: Sequence[Fact]) -> list[Fact]:
    """The facts that relate the given unknowns to each other, or say something of them alone; in the given order."""
    given = set(given)
    links: dict[str, set[str]] = {ROOT: given, **{name: {ROOT} for name in given}}
    for fact in facts:
        for name in fact.names:
            links.setdefault(name, set()).update(fact.names - {name})
    near = _with_root({name: sorted(others) for name, others in links.items()})
    return [f for f in facts if f.names <= given or (len(f.names) > 1 and f.names <= near)]


def _with_root(graph: dict[str, list[str]]) -> set[str]:
    """All unknowns of biconnected components that the root is in, by a depth-first search from it."""
    depth: dict[str, int] = {ROOT: 0}
    low: dict[str, int] = {ROOT: 0}
    found: set[str] = set()
    path: list[str] = []
    pending: list[tuple[str, str, int]] = [(ROOT, ROOT, 0)]
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
    to: str, node: str, parent: str, depth: dict[str, int], low: dict[str, int], pending: list[tuple[str, str, int]]
) -> None:
    if to == parent:
        return
    if to in depth:
        low[node] = min(low[node], depth[to])
        return
    depth[to] = low[to] = depth[node] + 1
    pending.append((to, node, 0))
