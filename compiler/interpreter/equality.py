"""Are two programs equal as functions over the reals? Both run on random elements of a finite field; results
must be `==`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.errors import RuntimeInputError
from stratagem.compiler.interpreter.buffers import Arena, Buffer
from stratagem.compiler.interpreter.domains import Domain, ExactField
from stratagem.compiler.interpreter.elements import is_float, storage
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.signature import Port, arguments_of, results_of
from stratagem.compiler.interpreter.spmd import Mesh, Rank
from stratagem.compiler.interpreter.spmd_api import local_part, ranks_of, run_on_ranks
from stratagem.compiler.interpreter.values import Array, Value, broadcast
from stratagem.compiler.ir import DYNAMIC, find_function
from stratagem.compiler.program import Program

DYNAMIC_SIZE = 7
"""What a dynamic size becomes where no shape is given: a prime, so that no tile divides it."""


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
    shapes: Mapping[str, Sequence[int]] | Sequence[Sequence[int]] | None = None,
    values: Mapping[str, Array] | None = None,
    seeds: Sequence[int] = (0,),
    mesh: Mesh | None = None,
    function: str = "main",
) -> Mismatch | None:
    """None when both programs (Programs or modules) give the same results, else the first difference.

    Args:
        first, second: programs with the same arguments, in any order where all are named, else in the
            same
            order.
        shapes: shapes of arguments, by name or in order; a dynamic size nobody gives is DYNAMIC_SIZE.
        values: actual data for some arguments by name: integers that must be in range, masks, folded
            parameters. Other floats are random field elements, other integers random among 0 and 1.
        seeds: one run per seed. One run misses a difference of degree d with probability about d / 2^31.
        mesh: the second program is an SPMD program for this mesh; every rank must give the whole result,
            and takes its
            part of arguments with `system.shard`.
    """
    left, right = (p.module if isinstance(p, Program) else p for p in (first, second))
    ports, others = (arguments_of(find_function(m, function)) for m in (left, right))
    order = _matching(ports, others)
    for seed in seeds:
        data = _data(ports, _named_shapes(ports, shapes), values or {}, seed)
        mine = Machine(left, ExactField(seed)).call(function, _arguments(ports, data, ExactField(seed)))
        for theirs in _second_results(right, others, [data[i] for i in order], seed, mesh, function):
            for port, a, b in zip(results_of(find_function(left, function)), mine, theirs, strict=True):
                found = _difference(port.name, a, b, seed)
                if found is not None:
                    return found
    return None


def _second_results(
    module: Any, ports: Sequence[Port], data: Sequence[Value], seed: int, mesh: Mesh | None, function: str
) -> list[list[Value]]:
    """The results of the second program, on every rank where there are several."""
    if mesh is None:
        domain = _other_draw(seed)
        return [Machine(module, domain).call(function, _arguments(ports, data, domain))]

    def arguments(rank: Rank, domain: Domain) -> list[Any]:
        real = [port for port in ports if not port.is_arena]
        parts = [tuple(local_part(p, x, rank) for x in value) for p, value in zip(real, data, strict=True)]
        return _arguments(ports, parts, domain)

    return run_on_ranks(module, ranks_of(mesh), lambda: _other_draw(seed), arguments, function)


def _other_draw(seed: int) -> ExactField:
    """The same keys, but other random numbers in unwritten memory, so that whoever reads it is caught."""
    domain = ExactField(seed)
    domain.random((3,))
    return domain


def _matching(ports: Sequence[Port], others: Sequence[Port]) -> list[int]:
    """For each argument of the second program that is data, the one of the first it is the same as."""
    ports, others = ([p for p in some if not p.is_arena] for some in (ports, others))
    if len(ports) != len(others):
        raise RuntimeInputError(f"programs of {len(ports)} and {len(others)} arguments cannot be compared")
    names, other_names = [p.name for p in ports], [p.name for p in others]
    if sorted(names) == sorted(other_names) and len(set(names)) == len(names):
        return [names.index(name) for name in other_names]
    return list(range(len(ports)))


def _named_shapes(
    ports: Sequence[Port], shapes: Mapping[str, Sequence[int]] | Sequence[Sequence[int]] | None
) -> Mapping[str, Sequence[int]]:
    if isinstance(shapes, Mapping):
        return shapes
    return {port.name: shape for port, shape in zip(ports, shapes or (), strict=False)}


def _arguments(ports: Sequence[Port], data: Sequence[Value], domain: Domain) -> list[Any]:
    """Data in the form each argument's type asks for, and working memory."""
    arguments: list[Any] = []
    rest = iter(data)
    for port in ports:
        if port.is_arena:
            arguments.append(Arena(port.shape[0], domain))
            continue
        value = next(rest)
        arguments.append(Buffer.copy_of(value, np.shape(value[0])) if port.is_buffer else value)
    return arguments


def _data(
    ports: Sequence[Port], shapes: Mapping[str, Sequence[int]], values: Mapping[str, Array], seed: int
) -> list[Value]:
    source = ExactField(seed + 2**16)
    integers = np.random.default_rng(seed)
    arguments: list[Value] = []
    for port in (port for port in ports if not port.is_arena):
        shape = tuple(shapes.get(port.name, [DYNAMIC_SIZE if n == DYNAMIC else n for n in port.shape]))
        if port.name in values:
            array = np.asarray(values[port.name])
            arguments.append(
                source.lift(array, port.element) if is_float(port.element) else (array.astype(storage(port.element)),)
            )
        elif is_float(port.element):
            arguments.append(source.random(shape))
        else:
            arguments.append((integers.integers(0, 2, shape).astype(storage(port.element)),))
    return arguments


def _difference(name: str, a: Value, b: Value, seed: int) -> Mismatch | None:
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
