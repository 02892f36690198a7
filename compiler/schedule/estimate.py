"""Seconds of a kernel with given tiles, from its operations and the hardware description.

A contraction costs what `cost.py` says. Other operations walk over a tile one after the other: each takes as long as
its arithmetic or as its operands take to come from the memory that holds the tile, whichever is longer. What the kernel
reads and writes comes once from the smallest memory that holds all of it (Williams, Waterman, Patterson, "Roofline",
CACM 2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.contraction_tiles import block_of
from stratagem.compiler.schedule.cost import STEP_SECONDS, Seconds, contraction_seconds
from stratagem.compiler.schedule.footprint import ASSUMED, extent, footprints, operand_footprints
from stratagem.compiler.schedule.match import SCALAR_FUNCTIONS
from stratagem.compiler.schedule.structured import body_ops, dtype_bytes, is_contraction
from stratagem.compiler.schedule.tile_kernel import Untiled
from stratagem.compiler.schedule.tiles import Choice, moving_and_shared
from stratagem.hwmodels import Device, Unit


def estimate(untiled: Untiled, choice: Choice) -> Seconds:
    """One call; free sizes count as those that tiles are chosen for."""
    dims, target, device = untiled.dims, untiled.target, untiled.device
    sizes = {d: extent(dims, d) for d in dims.extents} | choice.sizes
    tiles = prod(-(-extent(dims, d) // size) for d, size in choice.sizes.items())
    rounds = -(-tiles // target.units)
    shape, generics = untiled.shape, kernel.generics(untiled.ops)
    start, outer = device.launch or 0.0, _outer(device, _argument_bytes(untiled.function))
    if shape is not None:
        product = contraction_seconds(shape, block_of(shape, choice), target)
        rest = [op for op in generics if not is_contraction(op)]
        ends = sum(_arithmetic(op, untiled, sizes) for op in rest) * rounds * target.units
        return Seconds(product.compute + ends, max(product.memory, outer), product.wait + start)
    moving, shared = moving_and_shared(footprints(dims), sizes, dims.common)
    near = _rate_of(untiled, moving + shared)
    walked = sum(max(_arithmetic(op, untiled, sizes), _touched(op, untiled, sizes) / near) for op in generics)
    return Seconds(walked * rounds * target.units, outer, rounds * STEP_SECONDS + start)


def _arithmetic(op: Any, untiled: Untiled, sizes: Mapping[int, int]) -> float:
    """Seconds of one tile's arithmetic if all units shared it, innermost loops filled up to whole vectors."""
    extents = [sizes[d] for d in untiled.dims.loops[op].dims]
    lanes = untiled.target.lanes
    points = prod(extents[:-1]) * -(-extents[-1] // lanes) * lanes if extents else 1
    if is_contraction(op):
        return 2.0 * points / untiled.target.rate
    return points * sum(_one(inner, untiled.device) for inner in body_ops(op))


def _one(op: Any, device: Device) -> float:
    """Seconds of one scalar operation, with all lanes of all units at work; 0 for what no unit is asked to do."""
    function = SCALAR_FUNCTIONS.get(op.name.split(".")[-1])
    element = str(op.operands[-1].type) if len(op.operands) else ""
    if function is None or element == "index":
        return 0.0
    unit = device.unit_for(function, element)
    return _operations_per_element(unit, element, device) / device.unit_rate(unit, element) if unit else 0.0


def _operations_per_element(unit: Unit, element: str, device: Device) -> int:
    """What a unit's rate counts for one element: a lane that multiplies and adds at once counts two."""
    known = (device.functions[name] for name in unit.functions if name in device.functions)
    return 2 if element in unit.lanes and any(f.is_multiply_add for f in known) else 1


def _touched(op: Any, untiled: Untiled, sizes: Mapping[int, int]) -> float:
    """Bytes of one tile's operands and results of an operation."""
    return float(sum(f.bytes(sizes) for f in operand_footprints(op, untiled.dims.loops[op])))


def _rate_of(untiled: Untiled, held: int) -> float:
    """B/s of all units together from the innermost memory in which so many bytes of each have room."""
    target = untiled.target
    if held <= target.near:
        return untiled.device.level_bandwidth(target.near_level) or target.far_bandwidth * target.units
    return target.far_bandwidth * target.units if held <= target.far else target.outer_bandwidth


def _argument_bytes(function: Any) -> int:
    """Bytes of all tensors that a kernel is given, its destinations among them; a free size counts as assumed."""
    kinds = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).inputs
    tensors = [kind for kind in kinds if isinstance(kind, ir.RankedTensorType)]
    return sum(prod(_size(t, d) for d in range(t.rank)) * dtype_bytes(str(t.element_type)) for t in tensors)


def _size(tensor: Any, dim: int) -> int:
    return ASSUMED if tensor.is_dynamic_dim(dim) else int(tensor.get_dim_size(dim))


def _outer(device: Device, moved: int) -> float:
    """Seconds for bytes to come once from the smallest memory that holds them all."""
    seconds = 0.0
    for level in device.memories():
        bandwidth = device.level_bandwidth(level.name)
        if bandwidth and (level.size is None or level.size * device.instances(level.name) >= moved):
            seconds = moved / bandwidth
    return seconds
