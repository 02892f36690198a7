"""Float operations of `arith` and `math`: names are mapped to the domain's functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.attributes import integer_attribute
from stratagem.compiler.interpreter.domains.base import PREDICATES, select_integer
from stratagem.compiler.interpreter.elements import element_of, is_float, storage
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.ops.integers import signed, unsigned
from stratagem.compiler.interpreter.values import (
    Value,
    broadcast,
    doubt_of,
    same_planes,
    shape_of,
    with_doubt,
)

ARITH = {
    "arith.addf": "add",
    "arith.subf": "sub",
    "arith.mulf": "mul",
    "arith.divf": "div",
    "arith.negf": "neg",
    "arith.remf": "rem",
    "arith.maximumf": "maximum",
    "arith.minimumf": "minimum",
    "arith.maxnumf": "maxnum",
    "arith.minnumf": "minnum",
}
MATH = (
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "cbrt",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "erfc",
    "floor",
    "ceil",
    "trunc",
    "roundeven",
    "round",
    "fma",
    "copysign",
)
FUNCTION_OF = ARITH | {f"math.{name}": name for name in MATH} | {"math.absf": "abs", "math.powf": "pow"}


@operation(*FUNCTION_OF)
def elementwise(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = FUNCTION_OF[instruction.name]
    return (machine.domain.apply(instruction.facts, instruction.element, *operands),)


@operation("arith.extf", "arith.truncf")
def convert(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = element_of(instruction.op.operands[0].type)
    return (machine.domain.convert(operands[0], instruction.facts, instruction.element),)


@operation("arith.cmpf")
def compare(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = PREDICATES[integer_attribute(instruction.op, "predicate")]
    return (machine.domain.compare(instruction.facts, *operands),)


@operation("arith.select")
def select(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    """Elementwise; a scalar condition picks a whole tensor or memref."""
    condition, yes, no = operands
    if np.ndim(condition[0]) == 0 and len(condition) == 1:
        picked, other = (yes, no) if bool(condition[0]) else (no, yes)
        return (broadcast(picked, np.broadcast_shapes(shape_of(picked), shape_of(other))),)
    if is_float(instruction.element):
        return (machine.domain.select(condition, yes, no),)
    yes, no = same_planes([yes, no])
    return (select_integer(condition, yes, no),)


@operation("arith.sitofp", "arith.uitofp")
def from_integer(
    machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]
) -> Sequence[Value]:
    read = signed if instruction.name == "arith.sitofp" else unsigned
    value = with_doubt(read(operands[0][0]), doubt_of(operands[0]))
    return (machine.domain.from_integer(value, instruction.element),)


@operation("arith.fptosi", "arith.fptoui")
def to_integer(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.name == "arith.fptosi":
        return (machine.domain.to_integer(operands[0], instruction.element),)
    wide = machine.domain.to_integer(operands[0], "i64")
    dtype = storage(instruction.element)
    top = 1 if dtype == np.bool_ else 2 ** (8 * dtype.itemsize) - 1
    clipped = np.clip(wide[0], 0, min(top, 2**63 - 1))
    narrow = clipped.astype(dtype) if dtype == np.bool_ else clipped.astype(np.dtype(f"u{dtype.name}")).view(dtype)
    return (with_doubt(narrow, doubt_of(wide)),)


@operation("arith.bitcast", "tensor.bitcast")
def same_bits(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    source, target = element_of(instruction.op.operands[0].type), instruction.element
    if source == target or (not is_float(source) and not is_float(target)):
        return (operands[0],)
    return (machine.domain.same_bits(operands[0], source, target),)


@operation("math.fpowi")
def integer_power(
    machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]
) -> Sequence[Value]:
    exponent = machine.domain.from_integer(operands[1], instruction.element)
    return (machine.domain.apply("pow", instruction.element, operands[0], exponent),)


@operation("math.sincos")
def sine_and_cosine(
    machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]
) -> Sequence[Value]:
    return tuple(machine.domain.apply(name, instruction.element, operands[0]) for name in ("sin", "cos"))


@operation("math.clampf")
def clamp(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    value, low, high = operands
    raised = machine.domain.apply("maximum", instruction.element, value, low)
    return (machine.domain.apply("minimum", instruction.element, raised, high),)


@operation("math.isnan", "math.isinf", "math.isfinite", "math.isnormal")
def classify(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """By comparison, so that every domain can answer: NaN differs from itself, infinities from what is below
    them.
    """
    domain, value = machine.domain, operands[0]
    element = element_of(instruction.op.operands[0].type)
    nan = domain.compare("uno", value, value)[0]
    ends = [domain.constant(np.asarray(end), element) for end in (-np.inf, np.inf)]
    infinite = domain.compare("oeq", value, ends[0])[0] | domain.compare("oeq", value, ends[1])[0]
    if instruction.name == "math.isnormal":
        zero = domain.compare("oeq", value, domain.constant(np.asarray(0.0), element))[0]
        return ((~(nan | infinite | zero),),)
    return ({"math.isnan": (nan,), "math.isinf": (infinite,), "math.isfinite": (~(nan | infinite),)}[instruction.name],)
