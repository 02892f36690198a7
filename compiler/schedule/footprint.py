"""How many bytes a tile needs, and how much room each unit of a device has for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stratagem.compiler.schedule.dims import KernelDims, OpLoops
from stratagem.compiler.schedule.structured import dtype, dtype_bytes, input_count, is_tensor
from stratagem.hwmodels import Device

ASSUMED = 1024
"""Extent assumed for a dynamic dimension when tiles are chosen: large enough to fill any machine's tiles."""


def extent(dims: KernelDims, dim: int) -> int:
    """Static extent of a kernel dimension, or the assumed one."""
    known = dims.extents[dim]
    return ASSUMED if known is None else max(known, 1)


@dataclass(frozen=True)
class Footprint:
    """One tensor of a kernel: bytes per element and, per dimension, the affine extent in kernel dimensions.

    `shape[i]` is a tuple of (dimension, factor) plus a constant: `2*p + r + 3` of a window has `2(p-1) + (r-1) + 1 +
    3`, and without dimensions the constant is the extent. `made` tells values computed by the kernel from those that
    come from outside.
    """

    element: int
    shape: tuple[tuple[tuple[tuple[int, int], ...], int], ...]
    made: bool
    wide: int = 0

    def bytes(self, sizes: Mapping[int, int]) -> int:
        total = self.element
        for terms, fixed in self.shape:
            total *= sum(f * (sizes[d] - 1) for d, f in terms) + 1 + fixed if terms else fixed
        return total

    def dims(self) -> set[int]:
        return {d for terms, _ in self.shape for d, _ in terms}


def footprints(dims: KernelDims) -> list[Footprint]:
    """Every distinct tensor that the ops read or make, once."""
    made = {r for op in dims.loops for r in op.results}
    found: dict[Any, Footprint] = {}
    for op, loops in dims.loops.items():
        count = input_count(op)
        tensors = list(zip(op.operands, loops.accesses, strict=True))
        for value, access in tensors[:count]:
            if is_tensor(value) and value not in made:
                found[(value, access)] = _footprint(value, access, loops, False)
        for result, (_, access) in zip(op.results, tensors[count:], strict=True):
            found[result] = _footprint(result, access, loops, True)
    return list(found.values())


def operand_footprints(op: Any, loops: OpLoops) -> list[Footprint]:
    """Every tensor that one op reads or writes."""
    tensors = zip(op.operands, loops.accesses, strict=True)
    return [_footprint(value, access, loops, False) for value, access in tensors if is_tensor(value)]


def _footprint(value: Any, access: Any, loops: OpLoops, made: bool) -> Footprint:
    shape: list[tuple[tuple[tuple[int, int], ...], int]] = []
    for position, result in enumerate(access):
        if result is None or not result.terms:
            size = None if value.type.is_dynamic_dim(position) else int(value.type.get_dim_size(position))
            shape.append(((), ASSUMED if size is None else size))
        else:
            # A slice starts where the dimensions are 0, and holds what lies before a constant offset, too.
            shape.append((tuple((loops.dims[loop], abs(f)) for loop, f in result.terms), max(result.constant, 0)))
    return Footprint(dtype_bytes(dtype(value)), tuple(shape), made)


def room(device: Device, name: str) -> int | None:
    """Bytes of memory level `name` that one innermost unit below it may fill; None where the size is not
    given.

    Where a description says how many units are enough for the full rate, only these share.
    """
    level = device.level(name)
    if level.size is None:
        return None
    inner = device.levels[device.levels.index(level) + 1 :]
    sharing = 1
    for other in inner:
        if other.kind == "group":
            sharing *= other.threads_for_peak or other.count
    return level.size // sharing


def units(device: Device) -> int:
    """All innermost units of the device."""
    total = 1
    for group in device.groups():
        total *= group.count
    return total
