"""The `system` dialect: what a rank sees of transfers and collectives; how ranks meet is in `spmd.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.attributes import callee, integer_attribute, text_attribute
from stratagem.compiler.interpreter.buffers import store_results
from stratagem.compiler.interpreter.elements import element_of, is_float
from stratagem.compiler.interpreter.instructions import RUNTIME_CALL, Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.ops.reductions import reduce_values
from stratagem.compiler.interpreter.spmd import Rank
from stratagem.compiler.interpreter.values import Array, Value, integer, map_planes, same_planes, shape_of
from stratagem.runtime.errors import UnsupportedError

FLOAT_REDUCTIONS = {"sum": "add", "max": "maximum", "min": "minimum", "prod": "mul"}
RANK = "sg_rank"
"""The runtime's function that says which rank this is."""
INTEGER_REDUCTIONS = {"sum": "add", "max": "maxs", "min": "mins", "prod": "mul"}


@operation("system.transfer")
def transfer(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    return (operands[0],)


@operation("system.rank")
def rank(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    return (integer(_here(machine, instruction).place(text_attribute(instruction.op, "axis"))),)


@operation("system.all_reduce", "system.all_gather", "system.reduce_scatter")
def collective(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    op, here = instruction.op, _here(machine, instruction)
    reduction = text_attribute(op, "reduction") if "reduction" in op.attributes else ""
    dim = integer_attribute(op, "dim") if "dim" in op.attributes else 0
    kind = op.name.removeprefix("system.")
    return (run_collective(machine, instruction, here, kind, text_attribute(op, "axis"), reduction, dim, operands[0]),)


def run_collective(
    machine: Machine,
    instruction: Instruction,
    here: Rank,
    kind: str,
    axis: str,
    reduction: str,
    dim: int,
    value: Value,
) -> Value:
    """Meets the other ranks of `axis` and returns this rank's result of collective `kind`."""
    element = element_of(instruction.op.operands[0].type)
    signature = (kind, axis, reduction, dim, element, *_sizes_that_agree(kind, dim, value))
    parts = here.meet(axis, signature, tuple(value), instruction.location)
    if kind == "all_gather":
        return _joined(parts, dim)
    if reduction not in FLOAT_REDUCTIONS:
        raise instruction.violation(f"{kind} with reduction '{reduction}', known are {', '.join(FLOAT_REDUCTIONS)}")
    total = _reduced(machine, reduction, element, parts)
    return total if kind == "all_reduce" else _own_part(instruction, total, dim, here.place(axis), len(parts))


def _sizes_that_agree(kind: str, dim: int, value: Value) -> tuple[int, ...]:
    """The sizes every rank must bring; those of a gather may differ along the gathered dimension."""
    return tuple(-1 if kind == "all_gather" and d == dim else n for d, n in enumerate(shape_of(value)))


def _joined(parts: Sequence[Value], dim: int) -> Value:
    return tuple(np.concatenate(planes, axis=dim) for planes in zip(*same_planes(parts), strict=True))


def _reduced(machine: Machine, reduction: str, element: str, parts: Sequence[Value]) -> Value:
    """In no particular order: the bound of the sum holds for all of them."""
    first, *rest = same_planes(parts)
    if not rest:
        return first
    stacked = tuple(np.stack(planes) for planes in zip(*rest, strict=True))
    if is_float(element):
        return machine.domain.reduce(FLOAT_REDUCTIONS[reduction], element, stacked, (0,), first)
    return reduce_values(INTEGER_REDUCTIONS[reduction], stacked, (0,), first)


def _own_part(instruction: Instruction, total: Value, dim: int, place: int, count: int) -> Value:
    size = shape_of(total)[dim]
    if size % count:
        raise instruction.violation(f"dimension {dim} of size {size} cannot be cut into {count} equal parts")
    part = (*[slice(None)] * dim, slice(place * size // count, (place + 1) * size // count))

    def cut(plane: Array) -> Array:
        return plane[part]

    return map_planes(cut, total)


def _here(machine: Machine, instruction: Instruction) -> Rank:
    if not isinstance(machine.rank, Rank):
        raise UnsupportedError(f"{instruction.name} needs several ranks; use run_spmd", location=instruction.location)
    return machine.rank


@operation(RUNTIME_CALL)
def runtime_call(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    """Calls of the physical level that the runtime serves: collectives on buffers, and the rank's number."""
    name = callee(instruction)
    declaration = machine.source(name)
    is_collective = "physical.collective" in declaration.attributes
    if not is_collective and name != RANK:
        raise UnsupportedError(f"call of '{name}', which has no body in this module", location=instruction.location)
    here = _here(machine, instruction)
    if not is_collective:
        return [integer(here.place(""))]
    claims = ir.DictAttr(declaration.attributes["physical.collective"])
    kind = str(ir.StringAttr(claims["kind"]).value)
    reduction = str(ir.StringAttr(claims["reduction"]).value) if "reduction" in claims else ""
    source = tuple(np.array(plane) for plane in operands[0])  # others read it while this rank writes on
    result = run_collective(machine, instruction, here, kind, "", reduction, 0, source)
    return store_results(instruction, operands[-1:], [result])
