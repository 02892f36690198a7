"""Which loop of an operation to cut over the ranks, and what that asks of its operands.

A cut parallel loop leaves its result cut along the dimension that loop indexes; a cut reduction loop leaves a partial
result. Operands that the loop indexes must be cut there, all others must be whole. These are the rules of Megatron-
style tensor parallelism (Shoeybi et al., 2019) and of data parallelism, derived from indexing maps instead of listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.sharding.placements import REPLICATED, Partial, Placement, Sharded
from stratagem.compiler.sharding.structure import Structure


@dataclass(frozen=True)
class Cut:
    """One way to run an operation on the ranks: the loop that is cut (None: every rank does all of it)."""

    loop: int | None
    operands: tuple[Placement, ...]
    result: Placement


def cuts(
    structure: Structure, extents: Sequence[int | None], have: Sequence[Placement | None], ranks: int
) -> list[Cut]:
    """Every legal way to cut, the uncut one first.

    Args:
        extents: iterations of each loop, None where not known at compile time.
        have: present placement of each operand (inputs, then initial values); None means any placement is free.
    """
    whole = Cut(None, (REPLICATED,) * len(structure.dims_of), REPLICATED)
    if 0 in extents:
        return [whole]  # no work to share out
    found = [whole]
    for loop in sorted(structure.free_loops):
        extent, outer = extents[loop], _outer(structure, loop, have)
        if extent is not None and extent % (ranks * outer) == 0 and extent > 1:
            cut = _cut(structure, loop, outer)
            if cut is not None:
                found.append(cut)
    return found


def _outer(structure: Structure, loop: int, have: Sequence[Placement | None]) -> int:
    """How an operand that is already cut along this loop is cut: under which outer factor."""
    for dims, placement in zip(structure.dims_of, have, strict=True):
        if isinstance(placement, Sharded) and placement.dim < len(dims) and dims[placement.dim] == loop:
            return placement.outer
    return 1


@rests_on("one-term-of-a-column", "contraction-in-parts", "extreme-in-parts")
def _cut(structure: Structure, loop: int, outer: int) -> Cut | None:
    operands = tuple(Sharded(dims.index(loop), outer) if loop in dims else REPLICATED for dims in structure.dims_of)
    results = structure.dims_of[structure.inputs :]
    if loop not in structure.reductions:
        return Cut(loop, operands, Sharded(results[0].index(loop), outer))
    if not structure.reduction:
        return None
    return Cut(loop, operands, Partial(structure.reduction))


def cheapest(options: Sequence[Cut], cost: Callable[[Cut], float]) -> Cut:
    """The option of least cost; the earlier one of equals, so that cutting must pay."""
    return min(enumerate(options), key=lambda pair: (cost(pair[1]), pair[0]))[1]


@dataclass(frozen=True)
class Prices:
    """Seconds, from the hardware description: per arithmetic operation of one rank, per byte moved, per collective."""

    operation: float
    byte: float
    collective: float

    def reshard(self, have: Placement | None, want: Placement, size: float, ranks: int) -> float:
        """Seconds to turn a tensor of `size` bytes from one placement into another; infinite where there is no way.

        Ring algorithms: an all-gather or reduce-scatter moves (p - 1) / p of the tensor per rank, an all-reduce twice
        that (Thakur et al., 2005).
        """
        share = (ranks - 1) / ranks
        if have is None or have == want:
            return 0.0
        if isinstance(have, Partial):
            factor = 2.0 if want == REPLICATED else 1.0
            return self.collective + factor * share * size * self.byte
        if isinstance(have, Sharded):
            return self.collective + share * size * self.byte
        if isinstance(want, Sharded):
            return size / ranks * self.byte * 0.1
        return float("inf")
