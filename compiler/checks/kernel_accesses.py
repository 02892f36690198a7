"""What a forall touches: its loops, and every slice that it reads or writes, as expressions for isl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.index_reader import Geometry, IndexReader, NotAffine, slice_geometry
from stratagem.compiler.ir import DYNAMIC


@dataclass(frozen=True)
class Loop:
    """One loop variable with its bounds as isl expressions."""

    name: str
    lower: str
    upper: str
    step: str

    def domain(self) -> str:
        bounds = f"{self.lower} <= {self.name} < {self.upper}"
        return bounds if self.step == "1" else f"{bounds} and ({self.name} - {self.lower}) mod {self.step} = 0"


@dataclass(frozen=True)
class Access:
    """A slice taken inside a forall.

    `kind`: write (to the shared result), own-read (of the shared result), read, or insert (into any other tensor).
    `loops`: all loops around it.
    """

    kind: str
    op: Any
    tensor: Any
    geometry: Geometry
    loops: tuple[Loop, ...]
    output: int = -1


@dataclass
class Phase:
    """One forall with everything around it, ready for isl."""

    reader: IndexReader
    outer: tuple[Loop, ...]
    units: tuple[Loop, ...]
    outputs: list[Any]
    accesses: list[Access] = field(default_factory=list)


def read_phase(forall: Any, fixed: Mapping[str, int]) -> Phase:
    reader = IndexReader(fixed)
    outer: list[Loop] = []
    for parent in reversed(ancestors(forall)):
        outer += _loops_of(parent, reader, f"o{len(outer)}")
    units = tuple(_loops_of(forall, reader, "u"))
    outputs = list(forall.operands)[len(forall.operands) - len(forall.results) :]
    phase = Phase(reader, tuple(outer), units, outputs)
    block = forall.regions[0].blocks[0]
    shared = {block.arguments[len(units) + k]: k for k in range(len(outputs))}
    _collect(block, phase, shared, ())
    return phase


def read_body(function: Any) -> Phase:
    """A kernel that one unit runs as it is, as a phase without units; its results are the outputs."""
    block = function.regions[0].blocks[0]
    phase = Phase(IndexReader(), (), (), list(list(block.operations)[-1].operation.operands))
    _collect(block, phase, {}, ())
    return phase


def _loops_of(op: Any, reader: IndexReader, prefix: str) -> list[Loop]:
    if op.name == "scf.for":
        lower, upper, step = (reader.expression(v) for v in list(op.operands)[:3])
        return [_bind(reader, op.regions[0].blocks[0].arguments[0], prefix, lower, upper, step)]
    if op.name != "scf.forall":
        return []
    bounds = forall_bounds(op, reader)
    arguments = op.regions[0].blocks[0].arguments
    return [_bind(reader, arguments[i], f"{prefix}_{i}", *b) for i, b in enumerate(bounds)]


def _bind(reader: IndexReader, variable: Any, name: str, lower: str, upper: str, step: str) -> Loop:
    if not step.isdigit():
        raise NotAffine(f"step {step}")
    reader.names[variable] = name
    return Loop(name, lower, upper, step)


def forall_bounds(op: Any, reader: IndexReader) -> list[tuple[str, str, str]]:
    """Lower bound, upper bound and step of each dimension of a forall."""
    segments = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    operands, at, columns = list(op.operands), 0, []
    for name, count in zip(("staticLowerBound", "staticUpperBound", "staticStep"), segments, strict=False):
        dynamic = iter(operands[at : at + count])
        static = list(ir.DenseI64ArrayAttr(op.attributes[name]))
        columns.append([reader.expression(next(dynamic)) if n == DYNAMIC else str(n) for n in static])
        at += count
    return list(zip(*columns, strict=True))


def _collect(block: Any, phase: Phase, shared: dict[Any, int], inner: tuple[Loop, ...]) -> None:
    """All slices in the block, loops inside included, as accesses."""
    for op in block.operations:
        operation = op.operation
        if operation.name == "tensor.extract_slice":
            tensor = operation.operands[0]
            kind = "own-read" if tensor in shared and _is_read(operation) else "read"
            _add(phase, kind, operation, tensor, 1, inner, shared.get(tensor, -1))
        elif operation.name == "tensor.insert_slice":
            _add(phase, "insert", operation, operation.operands[1], 2, inner, -1)
        elif operation.name == "scf.forall.in_parallel":
            for write in operation.regions[0].blocks[0].operations:
                target = write.operation.operands[1]
                if target in shared:
                    _add(phase, "write", write.operation, target, 2, inner, shared[target])
        elif operation.name in ("scf.for", "scf.forall"):
            loops = _loops_of(operation, phase.reader, f"i{len(inner)}_{len(phase.accesses)}")
            for region in operation.regions:
                for child in region.blocks:
                    _collect(child, phase, shared, (*inner, *loops))
        else:
            for region in operation.regions:
                for child in region.blocks:
                    _collect(child, phase, shared, inner)


def _add(phase: Phase, kind: str, op: Any, tensor: Any, tensors: int, inner: tuple[Loop, ...], output: int) -> None:
    geometry = slice_geometry(phase.reader, op, tensors)
    phase.accesses.append(Access(kind, op, tensor, geometry, (*phase.outer, *phase.units, *inner), output))


def _is_read(slice_op: Any) -> bool:
    """Whether the values of a slice matter: a destination that an operation overwrites without reading does not."""
    return any(not _overwrites(use.owner, slice_op.results[0]) for use in slice_op.results[0].uses)


def _overwrites(user: Any, value: Any) -> bool:
    operands = list(user.operands)
    outputs = operands[len(operands) - len(user.results) :] if user.name.startswith("linalg.") else []
    if user.name == "linalg.fill":
        return value in outputs
    if value not in outputs or operands.count(value) > 1 or not user.regions:
        return False
    block = user.regions[0].blocks[0]
    arguments = list(block.arguments)
    number = len(operands) - len(outputs) + outputs.index(value)
    return number < len(arguments) and not list(arguments[number].uses)


def ancestors(op: Any) -> list[Any]:
    found, current = [], op.parent
    while current is not None and current.operation.name != "func.func":
        found.append(current.operation)
        current = current.operation.parent
    return found


def inside_of(op: Any) -> Iterator[Any]:
    for region in op.regions:
        for block in region.blocks:
            for child in block.operations:
                yield child.operation
                yield from inside_of(child.operation)
