"""Where a tensor is with respect to one mesh axis: everywhere, cut in parts, or as parts still to be summed.

The three types and their algebra follow the placement types of `docs/architecture.md`; a program is right when every
operation's operands have the placements its rule asks for, so the types are also the proof.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Placement:
    """Base of the three placements."""


@dataclass(frozen=True)
class Replicated(Placement):
    """Every rank holds the whole tensor."""

    def __str__(self) -> str:
        return "replicated"


@dataclass(frozen=True)
class Sharded(Placement):
    """Rank r holds part r of dimension `dim`.

    `outer` > 1: the dimension is seen as [outer, size / outer] and the second factor is cut. That is what becomes of a
    cut dimension when it is collapsed with whole dimensions in front of it.
    """

    dim: int
    outer: int = 1

    def __str__(self) -> str:
        return f"sharded(dim {self.dim}" + (f", under {self.outer})" if self.outer > 1 else ")")


@dataclass(frozen=True)
class Partial(Placement):
    """The tensor is the elementwise `reduction` of what the ranks hold."""

    reduction: str

    def __str__(self) -> str:
        return f"partial({self.reduction})"


REPLICATED = Replicated()


def collapse(placement: Sharded, groups: list[list[int]], shape: list[int]) -> Sharded | None:
    """The placement after `tensor.collapse_shape`; None when the parts are no longer describable.

    `shape` is the global shape before collapsing.
    """
    for new, group in enumerate(groups):
        if placement.dim not in group:
            continue
        before = 1
        for dim in group:
            if dim == placement.dim:
                return Sharded(new, before * placement.outer)
            before *= shape[dim]
    return None


def expand(placement: Sharded, groups: list[list[int]], shape: list[int], ranks: int) -> Sharded | None:
    """The placement after `tensor.expand_shape`; None when no single new dimension is the one that is cut.

    `shape` is the global shape after expanding.
    """
    group = groups[placement.dim]
    before = 1
    for dim in group:
        if before == placement.outer:
            if shape[dim] == 1:
                continue
            return Sharded(dim) if shape[dim] % ranks == 0 else None
        if before > placement.outer:
            return None
        before *= shape[dim]
    return None
