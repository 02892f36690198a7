"""Tiles fit the memory they are staged in: what a kernel copies to a scratchpad, against the hardware description.

For every innermost phase, the bytes of all tiles with a `device.stage` claim, and of the tensors that its body makes,
are summed at their largest, read from the slices' own sizes (isl gives the largest value of an `affine.min`). What lies
in loops one after the other is there at different times, so of these the largest counts. Units that share the memory
share its bytes. Memories that no tile claims to be staged in (caches) hold whatever they can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import islpy as isl
from torch_mlir import ir

from stratagem.compiler.checks.index_reader import IndexReader, NotAffine
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import DYNAMIC, location_text, symbol_name, walk
from stratagem.compiler.schedule.footprint import room
from stratagem.compiler.schedule.structured import dtype, dtype_bytes

STAGE = "device.stage"


def check_capacity(function: Any, device: Any) -> list[Finding]:
    """A finding per memory that a phase of the kernel stages tiles in."""
    findings: dict[str, Finding] = {}
    for phase in (op for op in walk(function) if op.name == "scf.forall" and not _has_inner_phase(op)):
        for memory in dict.fromkeys(_memory(op) for op in walk(phase) if STAGE in op.attributes):
            found = _check(function, phase, memory, device)
            if memory not in findings or found.verdict is not Verdict.PROVED:
                findings[memory] = found
    return list(findings.values())


def _has_inner_phase(phase: Any) -> bool:
    return any(op.name == "scf.forall" and op != phase for op in walk(phase))


def _memory(op: Any) -> str:
    return str(ir.StringAttr(op.attributes[STAGE]).value)


def _check(function: Any, phase: Any, memory: str, device: Any) -> Finding:
    def found(verdict: Verdict, detail: str = "") -> Finding:
        where = location_text(phase)
        return Finding("device", symbol_name(function), f"tiles fit {memory}", verdict, detail, where)

    available = room(device, memory)
    if available is None:
        return found(Verdict.NOT_CHECKED, f"{device.name} does not say how large {memory} is")
    sizes = {value: _largest_bytes(value) for value in _held(phase, memory)}
    unknown = next((value for value, size in sizes.items() if size is None), None)
    if unknown is not None:
        return found(Verdict.NOT_CHECKED, f"a tile of type {unknown.type} is as large as the data says")
    total = _at_one_time(phase, {value: size for value, size in sizes.items() if size is not None})
    if total > available:
        detail = f"its tiles take up to {total} bytes, {memory} of {device.name} has {available} for each unit"
        return found(Verdict.REFUTED, detail)
    return found(Verdict.PROVED)


def _held(phase: Any, memory: str) -> Iterator[Any]:
    """Tiles staged in the memory, and what the body makes beside them."""
    for op in walk(phase):
        if (STAGE in op.attributes and _memory(op) == memory) or op.name == "tensor.empty":
            yield op.results[0]


def _at_one_time(op: Any, sizes: Mapping[Any, int]) -> int:
    """Bytes inside an operation: of its own tiles, and of the one nested operation that holds most."""
    inner = [view.operation for region in op.regions for block in region.blocks for view in block.operations]
    own = sum(sizes.get(result, 0) for one in inner for result in one.results)
    return own + max((_at_one_time(one, sizes) for one in inner), default=0)


def _largest_bytes(value: Any) -> int | None:
    """Bytes of a tile at its largest; None where its size has no bound."""
    sizes = [_largest(value, dim) for dim in range(ir.RankedTensorType(value.type).rank)]
    return None if None in sizes else prod(n for n in sizes if n is not None) * dtype_bytes(dtype(value))


def _largest(value: Any, dim: int) -> int | None:
    static = ir.RankedTensorType(value.type).shape[dim]
    if static != DYNAMIC:
        return int(static)
    reader = IndexReader()
    for block in _blocks_around(value.owner.operation):
        for argument in block.arguments:
            if isinstance(argument.type, ir.IndexType):
                reader.names[argument] = f"u{len(reader.names)}"
    counters = list(reader.names.values())
    try:
        size = reader.size(value, dim)
    except NotAffine:
        return None
    bound = [*counters, *reader.auxiliary]
    exists = f"exists {', '.join(bound)} : " if bound else ""
    conditions = " and ".join([f"v = {size}", *(f"({text})" for text in reader.auxiliary.values())])
    sizes = isl.Set(f"[{', '.join(reader.symbols)}] -> {{ [v] : {exists}{conditions} }}")
    largest = sizes.project_out(isl.dim_type.param, 0, sizes.dim(isl.dim_type.param)).dim_max_val(0)
    return int(largest.to_python()) if largest.is_int() else None


def _blocks_around(op: Any) -> Iterator[Any]:
    """Blocks of the loops around an operation."""
    while op.parent is not None and op.name != "func.func":
        if op.parent.operation.name != "func.func":
            yield op.block
        op = op.parent.operation
