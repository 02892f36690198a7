"""`affine.apply`, `affine.min`, `affine.max`, `affine.delinearize_index` and `affine.linearize_index`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.attributes import Evaluator, MixedList, affine_function, integer_list
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.values import Array, Value, doubt_of, with_doubt


@dataclass(frozen=True)
class MapFacts:
    dims: int
    results: tuple[Evaluator, ...]


@operation("affine.apply", "affine.min", "affine.max")
def evaluate(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        affine_map = ir.AffineMapAttr(instruction.op.attributes["map"]).value
        instruction.facts = MapFacts(affine_map.n_dims, tuple(affine_function(e) for e in affine_map.results))
    facts: MapFacts = instruction.facts
    numbers = [operand[0] for operand in operands]
    results = [f(numbers[: facts.dims], numbers[facts.dims :]) for f in facts.results]
    combine = np.maximum if instruction.name == "affine.max" else np.minimum
    chosen = results[0]
    for result in results[1:]:
        chosen = combine(chosen, result)
    return (with_doubt(np.asarray(chosen, np.int64), doubt_of(*operands)),)


@operation("affine.delinearize_index")
def delinearize(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Splits an index by a basis; the outermost part is not bounded where the basis has one entry less."""
    basis = MixedList(integer_list(instruction.op, "static_basis")).resolve(operands[1:])
    inner = basis if len(basis) < len(instruction.results) else basis[1:]
    parts: list[Array] = []
    rest: Array = np.asarray(operands[0][0])
    for size in reversed(inner):
        parts.append(rest % size)
        rest = rest // size
    doubt = doubt_of(*operands)
    return tuple(with_doubt(np.asarray(part), doubt) for part in [rest, *reversed(parts)])


@operation("affine.linearize_index")
def linearize(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    static = MixedList(integer_list(instruction.op, "static_basis"))
    count = len(operands) - static.dynamic
    basis = static.resolve(operands[count:])
    inner = basis if len(basis) < count else basis[1:]
    total: Array = np.asarray(operands[0][0])
    for size, operand in zip(inner, operands[1:count], strict=True):
        total = total * size + operand[0]
    return (with_doubt(total, doubt_of(*operands)),)
