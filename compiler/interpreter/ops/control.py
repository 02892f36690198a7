"""Sequential control flow (`scf`), calls, and assertions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.attributes import integer_list, text_attribute
from stratagem.compiler.interpreter.domains.base import select_integer
from stratagem.compiler.interpreter.elements import element_of, is_float
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.values import Array, Value, same_planes, scalar


@operation("scf.for")
def run_for(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    machine.certain(instruction, operands[:3])
    low, high, step = (scalar(value) for value in operands[:3])
    if step <= 0:
        raise instruction.violation(f"step is {step}, must be positive")
    dtype = np.asarray(operands[0][0]).dtype
    carried = list(operands[3:])
    body = instruction.bodies[0]
    for i in range(low, high, step):
        carried = machine.run(body, frame, [(np.asarray(i, dtype),), *carried])
    return carried


@operation("scf.while")
def run_while(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    before, after = instruction.bodies
    carried = list(operands)
    while True:
        condition, *forwarded = machine.run(before, frame, carried)
        machine.certain(instruction, [condition])
        if not scalar(condition):
            return forwarded
        carried = machine.run(after, frame, forwarded)


@operation("scf.if")
def run_if(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    condition = operands[0]
    if np.ndim(condition[0]) > 0:
        return _run_both(machine, instruction, frame, condition)
    machine.certain(instruction, [condition])
    if scalar(condition):
        return machine.run(instruction.bodies[0], frame, ())
    return machine.run(instruction.bodies[1], frame, ()) if len(instruction.bodies) > 1 else ()


def _run_both(machine: Machine, instruction: Instruction, frame: Frame, condition: Value) -> Sequence[Any]:
    """In a vectorised body elements take different branches: run both under masks, then select."""
    holds: Array = condition[0]
    outer = frame.mask
    branches = []
    for body, mask in zip(instruction.bodies, (holds, ~holds), strict=False):
        frame.mask = mask if outer is None else mask & outer
        branches.append(machine.run(body, frame, ()))
    frame.mask = outer
    if not instruction.results:
        return ()
    results = []
    for result, yes, no in zip(instruction.op.results, *branches, strict=True):
        if is_float(element_of(result.type)):
            results.append(machine.domain.select(condition, yes, no))
        else:
            results.append(select_integer(condition, *same_planes([yes, no])))
    return results


@operation("scf.index_switch")
def run_switch(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    machine.certain(instruction, operands)
    cases = integer_list(instruction.op, "cases")
    chosen = scalar(operands[0])
    which = 1 + cases.index(chosen) if chosen in cases else 0
    return machine.run(instruction.bodies[which], frame, ())


@operation("scf.execute_region", "builtin.unrealized_conversion_cast")
def run_region(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    return machine.run(instruction.bodies[0], frame, ()) if instruction.bodies else operands


@operation("func.call")
def call(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    return machine.call_from(instruction, frame, operands)


@operation("cf.assert")
def check(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    fails = ~np.asarray(operands[0][0])
    if frame.mask is not None:
        fails = fails & frame.mask
    if np.any(fails):
        raise instruction.violation(f"failed: {text_attribute(instruction.op, 'msg')}")
    return ()
