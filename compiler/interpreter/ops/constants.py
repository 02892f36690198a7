"""`arith.constant`, and the attribute constants of other dialects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.attributes import elements_array, scalar_number
from stratagem.compiler.interpreter.elements import is_float
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.ops.tensor_elements import undefined
from stratagem.compiler.interpreter.values import Value


@operation("arith.constant", "index.constant", "index.bool.constant", "ml_program.constant")
def constant(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = read_constant(machine, instruction)
    return (instruction.facts,)


def read_constant(machine: Machine, instruction: Instruction) -> Value:
    op, element = instruction.op, instruction.element
    attribute = op.attributes["value"]
    if isinstance(op.results[0].type, ir.ShapedType):
        return array_constant(machine, attribute, element)
    if isinstance(attribute, ir.BoolAttr):
        array = np.asarray(bool(ir.BoolAttr(attribute).value))
    else:
        array = np.asarray(scalar_number(attribute, element))
    return machine.domain.constant(array, element) if is_float(element) else (array,)


def array_constant(machine: Machine, attribute: Any, element: str) -> Value:
    """A dense elements attribute as a value."""
    array = elements_array(attribute)
    return machine.domain.constant(array, element) if is_float(element) else (array,)


@operation("ub.poison")
def poison(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Value]:
    """A value that must not matter."""
    kind = instruction.op.results[0].type
    shape = tuple(ir.ShapedType(kind).shape) if isinstance(kind, ir.ShapedType) else ()
    return (undefined(machine, shape, instruction.element),)
