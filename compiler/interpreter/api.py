"""Running programs of any level: values, values with bounds, and exact comparison. See `docs/interpreter.md`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.compare import Bounded, Verdict, compare
from stratagem.compiler.interpreter.domains import Domain, ExactField, Float64, NativeFloat, RoundingBound
from stratagem.compiler.interpreter.elements import is_float
from stratagem.compiler.interpreter.equality import Mismatch, equal_in_field
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.per_call import (
    CallCheck,
    bound_per_call,
    bound_per_call_on_ranks,
    bounded_result,
    run_with_kernels,
)
from stratagem.compiler.interpreter.signature import (
    Inputs,
    Port,
    arguments_of,
    bind,
    lift,
    module_of,
    results_of,
)
from stratagem.compiler.interpreter.spmd_api import run_spmd
from stratagem.compiler.interpreter.values import Array, Value
from stratagem.compiler.interpreter.violation import Violation
from stratagem.compiler.ir import find_function

__all__ = [
    "Bounded",
    "CallCheck",
    "Domain",
    "ExactField",
    "Float64",
    "Mismatch",
    "NativeFloat",
    "RoundingBound",
    "Verdict",
    "Violation",
    "bound_per_call",
    "bound_per_call_on_ranks",
    "compare",
    "emulate",
    "equal_in_field",
    "reference",
    "reference_with_bound",
    "run",
    "run_spmd",
    "run_with_kernels",
]


def run(
    program: Any,
    inputs: Inputs,
    parameters: Mapping[str, Array] | None = None,
    domain: Domain | None = None,
    *,
    function: str = "main",
) -> list[Value]:
    """Runs a program (a Program, or a module of any level) and returns its results as values of the domain.

    Args:
        program: Program or MLIR module.
        inputs: arrays by name of the input, or in the order of the arguments that are no parameters.
        parameters: arrays by name; a Program brings its own.
        domain: Float64 unless given.
        function: which function to run.

    Raises:
        Violation: a rule of the semantics is broken while the program runs, or a result is memory nobody
            wrote.
        RuntimeInputError: inputs do not fit the arguments.
        UnsupportedError: an operation has no reference semantics.
    """
    module, known = module_of(program, parameters)
    domain = domain or Float64()
    ports = arguments_of(find_function(module, function))
    arrays = bind(ports, inputs, known)
    return _run(module, domain, ports, arrays, function)[0]


def reference(
    program: Any, inputs: Inputs, parameters: Mapping[str, Array] | None = None, *, function: str = "main"
) -> list[Array]:
    """Results in float64; integer results in their own type, unsigned ones (`model.unsigned`) as such."""
    values = run(program, inputs, parameters, Float64(), function=function)
    return [port.outside(value) for value, port in zip(values, _results(program, function), strict=True)]


def emulate(
    program: Any, inputs: Inputs, parameters: Mapping[str, Array] | None = None, *, function: str = "main"
) -> list[Array]:
    """Results of straightforward evaluation in the program's own element types, as arrays of those types."""
    values = run(program, inputs, parameters, NativeFloat(), function=function)
    ports = _results(program, function)
    return [port.outside(value).astype(port.dtype, copy=False) for value, port in zip(values, ports, strict=True)]


def _results(program: Any, function: str) -> list[Port]:
    return results_of(find_function(module_of(program, None)[0], function))


def reference_with_bound(
    program: Any,
    inputs: Inputs,
    parameters: Mapping[str, Array] | None = None,
    *,
    function: str = "main",
    domain: RoundingBound | None = None,
) -> list[Bounded]:
    """Results with bounds on the rounding error of any correct implementation; infinite where nothing is
    known.

    Integer results have bound 0, and infinity where rounding could change them. Where control flow rests on a
    comparison that rounding could turn, every bound is infinite.
    """
    module, known = module_of(program, parameters)
    domain = domain or RoundingBound()
    ports = arguments_of(find_function(module, function))
    values, machine = _run(module, domain, ports, bind(ports, inputs, known), function)
    return [
        bounded_result(value, port, certain=not machine.undecided)
        for value, port in zip(values, _results(program, function), strict=True)
    ]


def _run(
    module: Any, domain: Domain, ports: Sequence[Port], arrays: Sequence[Array], function: str
) -> tuple[list[Value], Machine]:
    def start(trace: bool) -> tuple[list[Value], Machine]:
        machine = Machine(module, domain, trace_undefined=trace)
        return machine.call(
            function, [lift(domain, port, array) for port, array in zip(ports, arrays, strict=True)]
        ), machine

    values, machine = start(trace=False)
    _refuse_undefined(module, domain, values, function, lambda: start(trace=True)[1])
    return values, machine


def _refuse_undefined(
    module: Any, domain: Domain, values: list[Value], function: str, rerun: Callable[[], Machine]
) -> None:
    """A result that holds memory nobody wrote is an error; a second, traced run finds who read it first."""
    for value, port in zip(values, results_of(find_function(module, function)), strict=True):
        if not is_float(port.element) or (where := domain.undefined_elements(value)) is None:
            continue
        element = [int(i) for i in np.argwhere(where)[0]]
        reads = rerun().undefined_reads
        first = f"; {reads[0].name} at {reads[0].location} computes with it first" if reads else ""
        raise Violation("func.return", f"element {element} of '{port.name}' comes from memory that nobody wrote{first}")
