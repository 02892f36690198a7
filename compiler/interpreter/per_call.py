"""Bounds that start anew at every kernel: the check that stays meaningful for deep models.

A bound over a whole deep graph grows until it says nothing. Here the host part of a program runs once on
actual data; at every call of a kernel the *actual* arguments are taken as exact, the kernel's own IR gives
reference and bound for its results, the results to be judged come from `execute` (the compiled kernel), and
the run goes on with these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.compare import Bounded, Verdict, compare
from stratagem.compiler.interpreter.domains import NativeFloat, RoundingBound
from stratagem.compiler.interpreter.elements import is_float, storage
from stratagem.compiler.interpreter.instructions import Instruction
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.signature import (
    Inputs,
    Port,
    arguments_of,
    bind,
    lift,
    module_of,
    results_of,
)
from stratagem.compiler.interpreter.spmd import Mesh, run_ranks
from stratagem.compiler.interpreter.spmd_api import local_parts, ranks_of
from stratagem.compiler.interpreter.values import Array, Undefined, Value, doubt_of
from stratagem.compiler.ir import find_function

Execute = Callable[[str, Sequence[Array]], Sequence[Array]]
"""(kernel name, arguments in their own dtypes, destinations included) -> results in their own dtypes."""


@dataclass(frozen=True)
class CallCheck:
    """One kernel call: which, where, and a verdict per result."""

    number: int
    kernel: str
    location: str
    verdicts: tuple[Verdict, ...]

    def __bool__(self) -> bool:
        return all(self.verdicts)


def bound_per_call(
    program: Any,
    inputs: Inputs,
    parameters: Mapping[str, Array] | None = None,
    execute: Execute | None = None,
    *,
    domain: RoundingBound | None = None,
    function: str = "main",
) -> tuple[list[Array], list[CallCheck]]:
    """Runs `function` on actual data and judges every kernel call; returns its results and the checks.

    Args:
        program: Program or module whose `function` calls kernels (level device, system or physical).
        execute: runs one kernel; without it kernels are emulated in their own element types, which checks that the
        bound holds for straightforward code.
        domain: the bound to use, where the accuracy of the device's functions is not the default.
    """
    module, known = module_of(program, parameters)
    ports = arguments_of(find_function(module, function))
    checks: list[CallCheck] = []
    host = _judging(module, execute, domain, checks)
    arrays = bind(ports, inputs, known)
    values = host.call(function, [lift(host.domain, port, array) for port, array in zip(ports, arrays, strict=True)])
    return [
        port.outside(value).astype(port.dtype, copy=False)
        for value, port in zip(values, results_of(find_function(module, function)), strict=True)
    ], checks


def run_with_kernels(program: Any, inputs: Inputs, execute: Execute, *, function: str = "main") -> list[Array]:
    """Runs `function` on actual data with every kernel call done by `execute`; returns its results, nothing is judged.

    Args:
        program: Program or module whose `function` calls kernels (level device, system or physical), of one rank.
    """
    module, known = module_of(program, None)
    ports = arguments_of(find_function(module, function))
    host = Machine(module, NativeFloat())

    def call(_: Instruction, name: str, arguments: Sequence[Any]) -> list[Any]:
        borders, outcomes = arguments_of(host.source(name)), results_of(host.source(name))
        plain = [_stored(value, port) for value, port in zip(arguments, borders, strict=True)]
        return [lift(host.domain, port, np.asarray(a)) for a, port in zip(execute(name, plain), outcomes, strict=True)]

    host.on_call = call
    arrays = bind(ports, inputs, known)
    values = host.call(function, [lift(host.domain, port, array) for port, array in zip(ports, arrays, strict=True)])
    returned = results_of(find_function(module, function))
    return [port.outside(v).astype(port.dtype, copy=False) for v, port in zip(values, returned, strict=True)]


def bound_per_call_on_ranks(
    program: Any, inputs: Inputs, mesh: Mesh, execute: Sequence[Execute], *, function: str = "main"
) -> list[CallCheck]:
    """As `bound_per_call`, for an SPMD program on every rank of a mesh; `execute` has an entry per rank. Data may be
    whole: each rank takes its part."""
    module, known = module_of(program, None)
    ports = arguments_of(find_function(module, function))
    checks: list[CallCheck] = []
    work = []
    for rank, own in zip(ranks_of(mesh), execute, strict=True):
        host = _judging(module, own, None, checks)
        host.rank = rank
        arrays = bind(ports, *local_parts(ports, inputs, known, rank))
        arguments = [lift(host.domain, port, array) for port, array in zip(ports, arrays, strict=True)]
        work.append(partial(host.call, function, arguments))
        rendezvous = rank.rendezvous
    run_ranks(rendezvous, work)
    return checks


def _judging(module: Any, execute: Execute | None, domain: RoundingBound | None, checks: list[CallCheck]) -> Machine:
    """A machine that runs the host part on actual data and appends a check for every kernel call."""
    host = Machine(module, NativeFloat())
    references = Machine(module, domain or RoundingBound())

    def judge(call: Instruction, name: str, arguments: Sequence[Any]) -> list[Any]:
        kernel = host.source(name)
        borders, outcomes = arguments_of(kernel), results_of(kernel)
        arrays = [_stored(value, port) for value, port in zip(arguments, borders, strict=True)]
        actual = _execute(host, name, arguments, arrays, outcomes, execute)
        references.undecided.clear()
        entering = [_entering(references, v, a, p) for v, a, p in zip(arguments, arrays, borders, strict=True)]
        wanted = references.call(name, entering)
        certain = not references.undecided
        verdicts = []
        for array, value, port in zip(actual, wanted, outcomes, strict=True):
            verdicts.append(compare(array, *bounded_result(value, port, certain=certain)))
        checks.append(CallCheck(len(checks), name, call.location, tuple(verdicts)))
        return [lift(host.domain, port, array) for array, port in zip(actual, outcomes, strict=True)]

    host.on_call = judge
    return host


def bounded_result(value: Value, port: Port, *, certain: bool = True) -> Bounded:
    """A value of the RoundingBound domain as value and bound; every bound is infinite unless `certain`. Of complex
    numbers, the parts have bounds of their own."""
    plane = port.plane(value)
    if not certain:
        return Bounded(plane, np.full(plane.shape, np.inf))
    if is_float(port.element):
        return Bounded(plane, np.asarray(value[1]))
    doubt = doubt_of(value)
    return Bounded(plane, np.zeros(plane.shape) if doubt is None else np.where(doubt, np.inf, 0.0))


def _stored(value: Value, port: Port) -> Array:
    return np.asarray(value[0]).astype(storage(port.element), copy=False)


def _entering(machine: Machine, value: Value, array: Array, port: Port) -> Any:
    """An argument as the reference sees it: exact data, or unwritten memory if the host has written nothing
    there.
    """
    if isinstance(value, Undefined) and is_float(port.element):
        return machine.domain.undefined(array.shape, port.element)
    return lift(machine.domain, port, array)


def _execute(
    host: Machine,
    name: str,
    arguments: Sequence[Any],
    arrays: list[Array],
    ports: Sequence[Port],
    execute: Execute | None,
) -> list[Array]:
    if execute is not None:
        return [np.asarray(array) for array in execute(name, arrays)]
    hook, host.on_call = host.on_call, None
    results = host.call(name, arguments)
    host.on_call = hook
    return [_stored(value, port) for value, port in zip(results, ports, strict=True)]
