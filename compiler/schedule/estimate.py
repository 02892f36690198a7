"""Seconds of a kernel with given tiles, from its operations and the hardware description.

A contraction costs what `cost.py` says. Other operations walk over a tile one after the other: each takes as long as
its arithmetic or as its operands take to come from the memory that holds the tile, whichever is longer. What the kernel
reads and writes comes once from the smallest memory that holds all of it (Williams, Waterman, Patterson, "Roofline",
CACM 2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.contraction_tiles import block_of
from stratagem.compiler.schedule.cost import STEP_SECONDS, Seconds, contraction_seconds, contraction_traffic
from stratagem.compiler.schedule.footprint import ASSUMED, extent, footprints, operand_footprints
from stratagem.compiler.schedule.match import SCALAR_FUNCTIONS
from stratagem.compiler.schedule.structured import body_ops, dtype, dtype_bytes, is_contraction
from stratagem.compiler.schedule.tiles import Choice, moving_and_shared
from stratagem.compiler.schedule.untiled import Untiled
from stratagem.hwmodels import Device, Unit
from stratagem.hwmodels.scaled import at_end

SECONDS, TRAFFIC = "device.seconds", "device.traffic"


@dataclass(frozen=True)
class Estimate:
    """What a kernel claims of one call: seconds by what takes them, and the ends of their total's range."""

    seconds: Seconds
    low: float
    high: float

    def __str__(self) -> str:
        """`1.93 ms (compute 94%, memory 4%, wait 2%; 1.5 to 2.6)`."""
        parts = {"compute": self.seconds.compute, "memory": self.seconds.memory, "wait": self.seconds.wait}
        whole = sum(parts.values()) or 1.0
        shares = ", ".join(f"{name} {part / whole:.0%}" for name, part in parts.items())
        spread = f"; {self.low * 1e3:.3g} to {self.high * 1e3:.3g}" if self.low < self.high else ""
        return f"{self.seconds.total * 1e3:.3g} ms ({shares}{spread})"

    def to_json(self) -> dict[str, float]:
        """Seconds."""
        return {**vars(self.seconds), "total": self.seconds.total, "low": self.low, "high": self.high}


def read_estimate(function: Any) -> Estimate | None:
    """What a kernel claims; None where it claims nothing."""
    found = read_numbers(function, SECONDS)
    if not found:
        return None
    return Estimate(Seconds(found["compute"], found["memory"], found["wait"]), found["low"], found["high"])


def read_numbers(function: Any, key: str) -> dict[str, float]:
    """The numeric entries of an attribute; empty where it is not there."""
    if key not in function.attributes:
        return {}
    entries = [(entry.name, entry.attr.maybe_downcast()) for entry in ir.DictAttr(function.attributes[key])]
    return {name: float(v.value) for name, v in entries if isinstance(v, ir.IntegerAttr | ir.FloatAttr)}


def record_estimate(untiled: Untiled, choice: Choice) -> None:
    """Claims what a kernel of fixed sizes costs: seconds by what takes them, their range where numbers of the
    description have one, and bytes that each memory level gives. Nothing where a number is missing that it rests on."""
    if not untiled.has_fixed_sizes or not untiled.target.told:
        return
    stated = estimate(untiled, choice)
    low, high = (estimate(untiled.on(at_end(untiled.device, best=best)), choice).total for best in (True, False))
    numbers = {"compute": stated.compute, "memory": stated.memory, "wait": stated.wait, "low": low, "high": high}
    f64, i64 = ir.F64Type.get(), ir.IntegerType.get_signless(64)
    traffic = {name: ir.IntegerAttr.get(i64, round(n)) for name, n in estimate_traffic(untiled, choice).items()}
    untiled.function.attributes[SECONDS] = ir.DictAttr.get({k: ir.FloatAttr.get(f64, n) for k, n in numbers.items()})
    untiled.function.attributes[TRAFFIC] = ir.DictAttr.get(traffic)


def estimate(untiled: Untiled, choice: Choice) -> Seconds:
    """One call; free sizes count as those that tiles are chosen for."""
    target, device, sizes = untiled.target, untiled.device, _tile_sizes(untiled, choice)
    rounds = -(-_tiles(untiled, choice) // target.units)
    shape, generics = untiled.shape, kernel.generics(untiled.ops)
    start, outer = device.launch or 0.0, _outer_seconds(device, _argument_bytes(untiled))
    if shape is not None:
        product = contraction_seconds(shape, block_of(shape, choice), target)
        rest = [op for op in generics if not is_contraction(op)]
        ends = sum(_arithmetic(op, untiled, sizes) for op in rest) * rounds * target.units
        return Seconds(product.compute + ends, max(product.memory, outer), product.wait + start)
    near = _rate_of(untiled, _held(untiled, sizes))
    walked = sum(max(_arithmetic(op, untiled, sizes), _touched(op, untiled, sizes) / near) for op in generics)
    return Seconds(walked * rounds * target.units, outer, rounds * STEP_SECONDS + start)


def estimate_traffic(untiled: Untiled, choice: Choice) -> dict[str, float]:
    """Level -> bytes that it gives to what is inside it in one call, all units together."""
    device, target, sizes = untiled.device, untiled.target, _tile_sizes(untiled, choice)
    compulsory, memories = _argument_bytes(untiled), [level.name for level in device.memories()]
    if target.call is not None:  # nobody knows what a library reads again from where
        return {holding_level(device, compulsory): compulsory}
    shape, tiles = untiled.shape, _tiles(untiled, choice)
    if shape is not None:
        near, far, shared = contraction_traffic(shape, block_of(shape, choice), target)
    else:
        near = tiles * sum(_touched(op, untiled, sizes) for op in kernel.generics(untiled.ops))
        held = _held(untiled, sizes)
        far, shared = (near if held > target.near else compulsory), (near if held > target.far else compulsory)
    found = {target.far_level: far, target.near_level: near}
    outside = memories[: memories.index(target.far_level)]
    holds = holding_level(device, compulsory)
    for name in reversed(outside):
        found[name] = max(shared, compulsory) if name == outside[-1] else compulsory
        if memories.index(name) <= memories.index(holds):
            break
    return {name: found[name] for name in memories if name in found}


def _tile_sizes(untiled: Untiled, choice: Choice) -> dict[int, int]:
    return {d: extent(untiled.dims, d) for d in untiled.dims.extents} | choice.sizes


def _tiles(untiled: Untiled, choice: Choice) -> int:
    return prod(-(-extent(untiled.dims, d) // size) for d, size in choice.sizes.items())


def _held(untiled: Untiled, sizes: dict[int, int]) -> int:
    """Bytes of everything that one tile walks over."""
    return sum(moving_and_shared(footprints(untiled.dims), sizes, untiled.dims.common))


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


def _argument_bytes(untiled: Untiled) -> int:
    """Bytes of a kernel's tensors that it moves, destinations among them; a free size counts as assumed. Of a tensor
    that elements are picked from, these."""
    total = 0
    for argument in kernel.block_of(untiled.function).arguments:
        if isinstance(argument.type, ir.RankedTensorType):
            users = [use.owner.operation for use in argument.uses]
            picks = [op for op in users if op.name == "tensor.extract"]
            whole = _tensor_bytes(argument.type)
            picked = sum(_points(op.parent.operation, untiled) for op in picks) * dtype_bytes(dtype(argument))
            total += min(whole, picked) if picks and len(picks) == len(users) else whole
    return total


def _tensor_bytes(kind: Any) -> int:
    sizes = [ASSUMED if kind.is_dynamic_dim(d) else int(kind.get_dim_size(d)) for d in range(kind.rank)]
    return prod(sizes) * dtype_bytes(str(kind.element_type))


def _points(op: Any, untiled: Untiled) -> int:
    """How often the body of an operation runs."""
    return prod(extent(untiled.dims, d) for d in untiled.dims.loops[op].dims) if op in untiled.dims.loops else 1


def _outer_seconds(device: Device, moved: int) -> float:
    """Seconds for bytes to come once from the smallest memory that holds them all."""
    bandwidth = device.level_bandwidth(holding_level(device, moved))
    return moved / bandwidth if bandwidth else 0.0


def holding_level(device: Device, size: int) -> str:
    """The smallest memory, of those whose bandwidth is known, that holds so many bytes; else the outermost."""
    memories = device.memories()
    able = [
        level.name
        for level in memories
        if level.bandwidth and (level.size is None or level.size * device.instances(level.name) >= size)
    ]
    return able[-1] if able else memories[0].name
