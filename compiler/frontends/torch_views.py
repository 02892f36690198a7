"""Reshapes of tensors with free dimensions, as sequences of flatten and unflatten.

The backend lowers a general view by guessing which free sizes belong together, and guesses wrong when several are free:
`[b, s, 64] -> [b * s, 64]` comes out as if `s` were 1. Which sizes belong together is known here, symbolically.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from stratagem.compiler.frontends.torch_graph import call

aten = torch.ops.aten
_VIEWS = (aten.view.default, aten.reshape.default, aten._unsafe_view.default)


@dataclass(frozen=True)
class Group:
    """Neighbouring dimensions of a view whose sizes multiply to the same: source `[a, a + m)`, result `[b,
    b + n)`."""

    a: int
    m: int
    b: int
    n: int


def same_size(a: Any, b: Any) -> bool:
    """Whether two sizes are the same expression; never asks for a guard."""
    return bool(expression(a) == expression(b))


def expression(size: Any) -> Any:
    """A size as a number or sympy expression."""
    return size.node.expr if isinstance(size, torch.SymInt) else size


def regroup_free_dimensions(node: fx.Node) -> None:
    """Replaces a view that merges or splits free dimensions by flatten and unflatten of exactly those
    dimensions."""
    if node.target not in _VIEWS:
        return
    source, result = node.args[0].meta["val"].shape, node.meta["val"].shape
    if all(isinstance(d, int) for d in (*source, *result)):
        return
    groups = split_groups(list(source), list(result))
    changed = [g for g in groups or [] if (g.m, g.n) != (1, 1)]
    if groups is None:
        return
    sizes = list(node.args[1])
    with node.graph.inserting_before(node):
        value = node.args[0]
        for group in reversed(changed):  # from the right, so that positions to the left stay valid
            value = _reshape_group(node, value, group, sizes[group.b : group.b + group.n])
    node.replace_all_uses_with(value)
    node.graph.erase_node(node)


def split_groups(source: Sequence[Any], result: Sequence[Any]) -> list[Group] | None:
    """The finest split of two shapes into runs with equal products, or None where products cannot be
    compared."""
    groups: list[Group] = []
    a = b = 0
    while a < len(source) or b < len(result):
        group = _next_group(source, result, a, b)
        if group is None:
            return None
        groups.append(group)
        a, b = a + group.m, b + group.n
    return groups


def _next_group(source: Sequence[Any], result: Sequence[Any], a: int, b: int) -> Group | None:
    candidates = ((m, n) for total in range(1, len(source) + len(result) - a - b + 1) for m, n in _splits(total))
    for m, n in candidates:
        if a + m > len(source) or b + n > len(result):
            continue
        left, right = _product(source[a : a + m]), _product(result[b : b + n])
        if _prefer(m, n) and left == right:
            return Group(a, m, b, n)
    return None


def _splits(total: int) -> list[tuple[int, int]]:
    """The (source, result) lengths of a group of `total` dimensions, balanced ones first."""
    pairs = [(m, total - m) for m in range(total + 1)]
    return sorted(pairs, key=lambda p: abs(p[0] - p[1]))


def _prefer(m: int, n: int) -> bool:
    """A group has dimensions on both sides, or drops or adds a single dimension of size 1."""
    return (m > 0 and n > 0) or m + n == 1


def _product(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * expression(size)
    return total


def _reshape_group(node: fx.Node, value: Any, group: Group, sizes: list[Any]) -> Any:
    if group.m == 0:
        return call(node, aten.unsqueeze.default, value, group.a)
    if group.n == 0:
        return call(node, aten.squeeze.dim, value, group.a)
    if group.m > 1:
        value = call(node, aten.flatten.using_ints, value, group.a, group.a + group.m - 1)
    if group.n > 1:
        value = call(node, aten.unflatten.int, value, group.a, sizes)
    return value
