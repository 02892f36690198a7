"""Running SPMD programs: one program per rank, lock-stepped at collectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stratagem.compiler.errors import UsageError
from stratagem.compiler.interpreter.domains import Domain, Float64
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.signature import Inputs, arguments_of, bind, lift, module_of
from stratagem.compiler.interpreter.spmd import Mesh, Rank, Rendezvous, run_ranks
from stratagem.compiler.interpreter.values import Array, Value
from stratagem.compiler.ir import find_function


def run_spmd(
    program: Any,
    inputs: Sequence[Inputs],
    mesh: Mesh,
    parameters: Sequence[Mapping[str, Array]] | Mapping[str, Array] | None = None,
    domain: Callable[[], Domain] = Float64,
    *,
    function: str = "main",
) -> list[list[Value]]:
    """Runs a program on every rank of a mesh and returns each rank's results.

    Args:
        program: Program or module, with local shapes.
        inputs: one set of inputs per rank, as for `run`.
        mesh: axes as (name, size), outermost first; rank numbers count the last axis fastest.
        parameters: local parameters per rank, or one mapping for all.
        domain: makes the number domain of a rank.

    Raises:
        Violation: ranks call different collectives, wait for each other for ever, or break a rule of
            their own.
        UsageError: not as many inputs as ranks.
    """
    rendezvous = Rendezvous(mesh)
    if len(inputs) != rendezvous.size:
        raise UsageError(f"a mesh of {rendezvous.size} ranks needs as many sets of inputs, got {len(inputs)}")
    per_rank = list(parameters) if isinstance(parameters, Sequence) else [parameters] * rendezvous.size
    work = []
    for number, (own_inputs, own_parameters) in enumerate(zip(inputs, per_rank, strict=True)):
        module, known = module_of(program, own_parameters)
        ports = arguments_of(find_function(module, function))
        arrays = bind(ports, own_inputs, known)
        own = domain()
        machine = Machine(module, own)
        machine.rank = Rank(number, rendezvous)
        machine.function(function)
        arguments = [lift(own, port, array) for port, array in zip(ports, arrays, strict=True)]
        work.append(_task(machine, function, arguments))
    results: list[list[Value]] = run_ranks(rendezvous, work)
    return results


def _task(machine: Machine, function: str, arguments: Sequence[Any]) -> Callable[[], list[Value]]:
    return lambda: machine.call(function, arguments)
