"""Running SPMD programs: one program per rank, lock-stepped at collectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.domains import Domain, Float64
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.signature import Inputs, Port, arguments_of, bind, lift, module_of
from stratagem.compiler.interpreter.spmd import Mesh, Rank, Rendezvous, run_ranks
from stratagem.compiler.interpreter.values import Array, Value
from stratagem.compiler.ir import find_function
from stratagem.runtime.errors import RuntimeInputError, UsageError


def run_spmd(
    program: Any,
    inputs: Sequence[Inputs],
    mesh: Mesh,
    parameters: Mapping[str, Array] | None = None,
    domain: Callable[[], Domain] = Float64,
    *,
    function: str = "main",
) -> list[list[Value]]:
    """Runs a program on every rank of a mesh and returns each rank's results.

    Args:
        program: Program or module, with local shapes.
        inputs: one set of inputs per rank, as for `run`.
        mesh: axes as (name, size), outermost first; rank numbers count the last axis fastest.
        parameters: by name, the same for all ranks. Data for an argument with `system.shard` may be whole: every rank
        takes its part.
        domain: makes the number domain of a rank.

    Raises:
        Violation: ranks call different collectives, wait for each other for ever, or break a rule of
            their own.
        UsageError: not as many inputs as ranks.
    """
    ranks = ranks_of(mesh)
    if len(inputs) != len(ranks):
        raise UsageError(f"a mesh of {len(ranks)} ranks needs as many sets of inputs, got {len(inputs)}")
    module, known = module_of(program, parameters)
    ports = arguments_of(find_function(module, function))

    def arguments(rank: Rank, own: Domain) -> list[Any]:
        parts = local_parts(ports, inputs[rank.number], known, rank)
        arrays = bind(ports, *parts)
        return [lift(own, port, array) for port, array in zip(ports, arrays, strict=True)]

    return run_on_ranks(module, ranks, domain, arguments, function)


def ranks_of(mesh: Mesh) -> list[Rank]:
    rendezvous = Rendezvous(mesh)
    return [Rank(number, rendezvous) for number in range(rendezvous.size)]


def run_on_ranks(
    module: Any,
    ranks: Sequence[Rank],
    domain: Callable[[], Domain],
    arguments: Callable[[Rank, Domain], Sequence[Any]],
    function: str,
) -> list[list[Value]]:
    """Runs `function` on every rank with the arguments made for it."""
    work = []
    for rank in ranks:
        machine = Machine(module, domain())
        machine.rank = rank
        machine.function(function)
        work.append(_task(machine, function, arguments(rank, machine.domain)))
    results: list[list[Value]] = run_ranks(ranks[0].rendezvous, work)
    return results


def _task(machine: Machine, function: str, arguments: Sequence[Any]) -> Callable[[], list[Value]]:
    return lambda: machine.call(function, arguments)


def local_parts(
    ports: Sequence[Port], inputs: Inputs, parameters: Mapping[str, Array], rank: Rank
) -> tuple[Inputs, Mapping[str, Array]]:
    """Cuts whole data of sharded arguments."""
    cut = {port.name: port for port in ports if port.shard is not None}

    def local(name: str, array: Array) -> Array:
        return local_part(cut[name], np.asarray(array), rank) if name in cut else array

    own = {name: local(name, array) for name, array in parameters.items()}
    if isinstance(inputs, Mapping):
        return {name: local(name, array) for name, array in inputs.items()}, own
    return inputs, own


def local_part(port: Port, array: Array, rank: Rank) -> Array:
    """This rank's part of whole data; data that has the local shape already is left alone.

    Raises RuntimeInputError when the data cannot be cut into equal parts.
    """
    if port.shard is None or array.shape == port.shape:
        return array
    axis, dim = port.shard
    count = len(rank.rendezvous.group(rank.number, axis))
    if dim >= array.ndim:
        raise RuntimeInputError(f"'{port.name}' is cut along dimension {dim}, it has {array.ndim}")
    if array.shape[dim] % count:
        size = array.shape[dim]
        raise RuntimeInputError(f"'{port.name}': dimension {dim} of size {size} cannot be cut into {count} parts")
    size = array.shape[dim] // count
    start = rank.place(axis) * size
    return array[(*[slice(None)] * dim, slice(start, start + size))]
