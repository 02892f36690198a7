"""Mutations of where a kernel works: loops, slices, bounds of tiles, phases, shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import DYNAMIC, walk
from stratagem.compiler.program import Program
from tests.mutation.edits import (
    Edit,
    bypassing,
    constant,
    constant_value,
    kind,
    operations,
    replacing_operand,
    setting,
    shifted_numbers,
)

SLICES = ("tensor.extract_slice", "tensor.insert_slice", "tensor.parallel_insert_slice", "memref.subview")


@kind("bounds of a loop")
def bounds_of_a_loop(program: Program) -> Iterator[Edit]:
    """A tile less or more, a step too short or too long, a first tile left out."""
    for op in operations(program, "scf.forall"):
        steps = list(ir.DenseI64ArrayAttr(op.attributes["staticStep"]))
        for key in ("staticLowerBound", "staticUpperBound", "staticStep"):
            numbers = list(ir.DenseI64ArrayAttr(op.attributes[key]))
            for i, old in enumerate(numbers):
                if old == DYNAMIC:
                    continue
                near = {old - steps[i], old + steps[i], old - 1, old + 1} - {old}
                for new in sorted(n for n in near if n >= (key == "staticStep")):
                    changed = ir.DenseI64ArrayAttr.get([*numbers[:i], new, *numbers[i + 1 :]])
                    yield Edit(f"scf.forall: {key} {i} is {new} for {old}", setting(op, key, changed))
    for op in operations(program, "scf.for"):
        step = constant_value(op.operands[2])
        for i, name in enumerate(("lower bound", "upper bound", "step")):
            known = constant_value(op.operands[i])
            if known is None:
                continue
            near = {known + 1, known - 1} | ({known - step, known + step} if step else set())
            for number in sorted(n for n in near if n != known and n >= (i == 2)):
                index = op.operands[i].type
                made = replacing_operand(op, i, lambda k=index, v=number: constant(k, v))  # type: ignore[misc]
                yield Edit(f"scf.for: {name} is {number} for {known}", made)


@kind("offset, size, stride")
def offset_size_stride(program: Program) -> Iterator[Edit]:
    for op in operations(program, *SLICES):
        for key in ("static_offsets", "static_sizes", "static_strides"):
            numbers = list(ir.DenseI64ArrayAttr(op.attributes[key]))
            for i, old in enumerate(numbers):
                if old == DYNAMIC:
                    continue
                for new in (old - 1, old + 1):
                    if new >= 0:
                        changed = ir.DenseI64ArrayAttr.get([*numbers[:i], new, *numbers[i + 1 :]])
                        yield Edit(f"{op.name}: {key} {i} is {new} for {old}", setting(op, key, changed))


@kind("moved slice")
def moved_slice(program: Program) -> Iterator[Edit]:
    """A computed offset or size off by one, an offset of 0."""
    for op in operations(program, *SLICES):
        for i, value in enumerate(op.operands):
            if not isinstance(value.type, ir.IndexType):
                continue
            yield Edit(f"{op.name}: index operand {i} is 0", replacing_operand(op, i, lambda: constant(_index(), 0)))
            for step in (-1, 1):
                made = replacing_operand(op, i, lambda v=value, s=step: _plus(v, s))  # type: ignore[misc]
                yield Edit(f"{op.name}: index operand {i} is off by {step}", made)


def _index() -> Any:
    return ir.IndexType.get()


def _plus(value: Any, step: int) -> Any:
    by = constant(_index(), step)
    return ir.Operation.create("arith.addi", results=[_index()], operands=[value, by]).result


@kind("affine map")
def affine_map(program: Program) -> Iterator[Edit]:
    """Numbers off by one in computed bounds; a bound left out."""
    for op in operations(program, "affine.min", "affine.max", "affine.apply"):
        for new in shifted_numbers(op.attributes["map"]):
            yield Edit(f"{op.name}: {op.attributes['map']} becomes {new}", setting(op, "map", new))
        found = ir.AffineMapAttr(op.attributes["map"]).value
        for i in range(len(found.results)):
            if len(found.results) > 1:
                results = [*found.results[:i], *found.results[i + 1 :]]
                new = ir.AffineMapAttr.get(ir.AffineMap.get(found.n_dims, found.n_symbols, results))
                yield Edit(f"{op.name}: bound {i} left out", setting(op, "map", new))


@kind("phase dropped")
def phase_dropped(program: Program) -> Iterator[Edit]:
    for op in operations(program, "scf.forall"):
        start = list(op.operands)[len(op.operands) - len(op.results) :]
        for n, value in enumerate(start):
            yield Edit(f"scf.forall dropped: what it began with in place of result {n}", bypassing(op, n, value))


@kind("barrier dropped")
def barrier_dropped(program: Program) -> Iterator[Edit]:
    """One reader of a phase's result reads what was there before the phase."""
    for op in operations(program, "scf.forall"):
        start = list(op.operands)[len(op.operands) - len(op.results) :]
        for n, result in enumerate(op.results):
            for number, use in enumerate(result.uses):
                user = use.owner.operation
                for i, operand in enumerate(user.operands):
                    if operand == result:
                        what = f"{user.name}, reader {number} of result {n} of a phase, does not wait for it"
                        yield Edit(what, replacing_operand(user, i, lambda v=start[n]: v))  # type: ignore[misc]


@kind("shape")
def shape(program: Program) -> Iterator[Edit]:
    """Paddings, groups of dimensions, computed shapes."""
    for op in operations(program):
        for key in ("static_low", "static_high", "reassociation", "static_output_shape"):
            if key in op.attributes:
                for new in shifted_numbers(op.attributes[key]):
                    yield Edit(f"{op.name}: {key} becomes {new}", setting(op, key, new))
    for op in operations(program, "tensor.empty", "memref.alloc"):
        for i, value in enumerate(op.operands):
            for step in (-1, 1):
                made = replacing_operand(op, i, lambda v=value, s=step: _plus(v, s))  # type: ignore[misc]
                yield Edit(f"{op.name}: size {i} is off by {step}", made)


@kind("assertion dropped")
def assertion_dropped(program: Program) -> Iterator[Edit]:
    for op in operations(program, "cf.assert"):
        yield Edit("cf.assert dropped", op.erase)


@kind("branch")
def branch(program: Program) -> Iterator[Edit]:
    """A yielded value that is another one of its type; a condition that always or never holds."""
    for op in operations(program, "scf.if"):
        for value in (0, 1):
            flag = ir.IntegerType.get_signless(1)
            made = replacing_operand(op, 0, lambda k=flag, v=value: constant(k, v))  # type: ignore[misc]
            yield Edit(f"scf.if: the condition is {bool(value)}", made)
    for op in operations(program, "scf.for"):
        terminator = list(op.regions[0].blocks[0].operations)[-1].operation
        carried = list(op.regions[0].blocks[0].arguments)[1:]
        for i, value in enumerate(carried):
            what = f"scf.for: carried value {i} stays as it was"
            yield Edit(what, replacing_operand(terminator, i, lambda v=value: v))  # type: ignore[misc]


def kernels_of(program: Program) -> list[Any]:
    """Functions with a body that the host program calls."""
    return [f for f in walk(program.module.operation) if f.name == "func.func" and "device.kernel" in f.attributes]
