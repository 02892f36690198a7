"""`scf.forall`: units in any order, each element of a result written by at most one of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.attributes import MixedList, integer_list, segments
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.slices import region_of, same_size, write
from stratagem.compiler.interpreter.values import (
    Array,
    Partial,
    Region,
    Shared,
    Undefined,
    Value,
    integer,
    same_planes,
    shape_of,
)
from stratagem.runtime.errors import UnsupportedError

_NOBODY = -1


@dataclass(frozen=True)
class ForallFacts:
    """Bounds as (list, operand range) pairs, and where the shared outputs lie among the operands; `goes_on`: which
    results only later phases of the kernel write on."""

    low: tuple[MixedList, slice]
    high: tuple[MixedList, slice]
    step: tuple[MixedList, slice]
    outputs: slice
    goes_on: tuple[bool, ...]

    @staticmethod
    def of(op: Any) -> ForallFacts:
        low, high, step, outputs = segments(op)
        lists = [MixedList(integer_list(op, f"static{name}")) for name in ("LowerBound", "UpperBound", "Step")]
        goes_on = tuple(_goes_on(result) for result in op.results)
        return ForallFacts((lists[0], low), (lists[1], high), (lists[2], step), outputs, goes_on)

    def units(self, instruction: Instruction, operands: Sequence[Any]) -> list[range]:
        low, high, step = (numbers.resolve(operands[part]) for numbers, part in (self.low, self.high, self.step))
        if min(step, default=1) <= 0:
            raise instruction.violation(f"steps are {step}, must be positive")
        return [range(a, b, c) for a, b, c in zip(low, high, step, strict=True)]


def _goes_on(result: Any) -> bool:
    """Whether all that uses a result is other foralls, as what they write into."""
    places = [(use.owner, use.operand_number) for use in result.uses]
    foralls = [(owner, number) for owner, number in places if owner.name == "scf.forall"]
    return bool(places) and len(foralls) == len(places) and all(n >= segments(o)[3].start for o, n in foralls)


@dataclass
class Output:
    """One result while units write it: planes, who wrote each element, and which regions each unit read."""

    initial: Value
    planes: list[Array]
    writer: Array
    reads: list[tuple[int, Region]] = field(default_factory=list)

    @staticmethod
    def of(value: Value) -> Output:
        return Output(value, [np.array(plane) for plane in value], np.full(shape_of(value), _NOBODY, np.int32))


@operation("scf.forall")
def run_forall(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    if instruction.facts is None:
        instruction.facts = ForallFacts.of(instruction.op)
    facts: ForallFacts = instruction.facts
    machine.certain(instruction, operands[: facts.outputs.start])
    units = list(itertools.product(*facts.units(instruction, operands)))
    outputs = [Output.of(value) for value in operands[facts.outputs]]
    for number, indices in enumerate(units):
        _run_unit(machine, instruction, frame, number, indices, outputs, units)
    return [_result(instruction, position, output, units) for position, output in enumerate(outputs)]


def _run_unit(
    machine: Machine,
    instruction: Instruction,
    frame: Frame,
    number: int,
    indices: tuple[int, ...],
    outputs: list[Output],
    units: list[tuple[int, ...]],
) -> None:
    body = instruction.bodies[0]
    views = [Shared.of(output.initial) for output in outputs]
    for slot, value in zip(body.arguments, [*map(integer, indices), *views], strict=True):
        frame.slots[slot] = value
    machine.run_instructions(body.instructions, frame)
    for output, view in zip(outputs, views, strict=True):
        output.reads += [(number, region) for region in view.reads]
    places = dict(zip(body.arguments[len(indices) :], outputs, strict=True))
    for store in body.terminator.bodies[0].instructions:
        if store.name != "tensor.parallel_insert_slice":
            raise UnsupportedError(f"{store.name} inside scf.forall.in_parallel", location=store.location)
        _store(machine, store, frame, number, places[store.operands[1]], units)


def _store(
    machine: Machine,
    store: Instruction,
    frame: Frame,
    number: int,
    output: Output,
    units: list[tuple[int, ...]],
) -> None:
    operands = [frame.slots[slot] for slot in store.operands]
    machine.certain(store, operands[2:])
    part = operands[0]
    region = region_of(store, operands, output.writer.shape, 2)
    same_size(store, part, region)
    earlier = output.writer[region]
    if earlier.size and earlier.max() != _NOBODY:
        where = np.argwhere(earlier != _NOBODY)[0]
        element = [part.start + int(i) * part.step for i, part in zip(where, region, strict=True)]
        first = units[int(earlier[tuple(where)])]
        raise store.violation(f"element {element} is written by unit {list(first)} and by unit {list(units[number])}")
    if len(part) != len(output.planes):
        whole, part = same_planes([tuple(output.planes), part])
        output.planes = [np.array(plane) for plane in whole]
    output.writer[region] = number
    write(output.planes, region, part)


def _result(instruction: Instruction, position: int, output: Output, units: list[tuple[int, ...]]) -> Value:
    """The result; nothing of it is left undefined but for a later phase, and no unit read what another wrote."""
    _check_reads(instruction, position, output, units)
    if not isinstance(output.initial, Undefined):
        return tuple(output.planes)
    missing = output.writer == _NOBODY
    if isinstance(output.initial, Partial):
        missing &= output.initial.missing
    if missing.any() and not instruction.facts.goes_on[position]:
        element = [int(i) for i in np.argwhere(missing)[0]]
        raise instruction.violation(f"element {element} of result {position} is never written")
    return Partial.of(output.planes, missing) if missing.any() else tuple(output.planes)


def _check_reads(instruction: Instruction, position: int, output: Output, units: list[tuple[int, ...]]) -> None:
    for number, region in output.reads:
        foreign = (output.writer[region] != number) & (output.writer[region] != _NOBODY)
        if foreign.any():
            where = np.argwhere(foreign)[0]
            element = [part.start + int(i) * part.step for i, part in zip(where, region, strict=True)]
            other = units[int(output.writer[region][tuple(where)])]
            which = f"element {element} of result {position}"
            reader, writer = list(units[number]), list(other)
            raise instruction.violation(f"{which} is read by unit {reader}, written by unit {writer}")
