"""Are two programs equal as functions over the reals? Both run on random elements of a finite field, and
compare by `==`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.domains import Domain, ExactField
from stratagem.compiler.interpreter.field_data import Shapes, Side, common_data
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.signature import results_of
from stratagem.compiler.interpreter.spmd import Mesh, Rank
from stratagem.compiler.interpreter.spmd_api import local_part, ranks_of, run_on_ranks
from stratagem.compiler.interpreter.values import Array, Value, broadcast
from stratagem.compiler.ir import find_function


@dataclass(frozen=True)
class Mismatch:
    """Two programs differ: in which result, in how many of its elements, and the first of them."""

    result: str
    element: tuple[int, ...]
    count: int
    total: int
    seed: int
    reason: str = ""

    def __str__(self) -> str:
        what = self.reason or f"{self.count} of {self.total} elements differ, first {list(self.element)}"
        return f"result '{self.result}': {what} (seed {self.seed})"


def equal_in_field(
    first: Any,
    second: Any,
    *,
    shapes: Shapes = None,
    values: Mapping[str, Array] | None = None,
    seeds: Sequence[int] = (0,),
    mesh: Mesh | None = None,
    function: str = "main",
) -> Mismatch | None:
    """None when both programs (Programs or modules) give the same results, else the first difference.

    Args:
        first, second: programs with the same arguments by name, or in the same order. Parameters may differ where both
        are Programs: then their own data is used for those that are not in both.
        shapes: shapes of arguments, by name or in order; a dynamic size nobody gives is DYNAMIC_SIZE.
        values: actual data for some arguments by name: integers that must be in range, masks. Other floats are random
        field elements, other integers random among 0 and 1.
        seeds: one run per seed. One run misses a difference of degree d with probability about d / 2^31.
        mesh: the second program is an SPMD program for this mesh; every rank must give the whole result, and takes its
        part of arguments with `system.shard`.

    Raises:
        Violation: one of the programs breaks a rule while it runs.
        RuntimeInputError: the arguments of the programs do not match.
    """
    left, right = Side(first, function), Side(second, function)
    ports = results_of(find_function(left.module, function))
    for seed in seeds:
        data = common_data(left, right, shapes, values or {}, seed)
        domain = ExactField(seed)
        mine = Machine(left.module, domain).call(function, left.arguments(left.data(data, left), domain))
        for theirs in _second_results(right, right.data(data, left), seed, mesh, function):
            for port, a, b in zip(ports, mine, theirs, strict=True):
                found = difference(port.name, a, b, seed)
                if found is not None:
                    return found
    return None


def _second_results(
    side: Side, data: Sequence[Value], seed: int, mesh: Mesh | None, function: str
) -> list[list[Value]]:
    """The results of the second program, on every rank where there are several."""
    if mesh is None:
        domain = other_draw(seed)
        return [Machine(side.module, domain).call(function, side.arguments(data, domain))]

    def arguments(rank: Rank, domain: Domain) -> list[Any]:
        real = [port for port in side.ports if not port.is_arena]
        parts = [tuple(local_part(p, x, rank) for x in value) for p, value in zip(real, data, strict=True)]
        return side.arguments(parts, domain)

    return run_on_ranks(side.module, ranks_of(mesh), lambda: other_draw(seed), arguments, function)


def other_draw(seed: int = 0) -> ExactField:
    """The same keys, but other random numbers in unwritten memory, so that whoever reads it is caught."""
    domain = ExactField(seed)
    domain.random((3,))
    return domain


def difference(name: str, a: Value, b: Value, seed: int) -> Mismatch | None:
    """The first element in which two values of the field differ, None where they are equal; `name` is the result's."""
    if np.shape(a[0]) != np.shape(b[0]):
        return Mismatch(name, (), 0, 0, seed, f"shapes {np.shape(a[0])} and {np.shape(b[0])} differ")
    shape = np.shape(a[0])
    differs = np.zeros(shape, np.bool_)
    for x, y in zip(broadcast(a, shape), broadcast(b, shape), strict=True):
        differs |= x != y
    count = int(np.count_nonzero(differs))
    if not count:
        return None
    return Mismatch(name, tuple(int(i) for i in np.argwhere(differs)[0]), count, int(differs.size), seed)
