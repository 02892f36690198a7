"""What tile choice asks of a device, in its words: room per unit, lanes, explicit copies, where to stage."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from stratagem.compiler.schedule.footprint import room, units
from stratagem.compiler.schedule.register_block import RegisterBlock, most_rows, register_block
from stratagem.compiler.schedule.structured import dtype_bytes
from stratagem.hwmodels import Device, Level, Unit

KEPT_FREE = 0.25
"""Share of a memory that tiles leave to what they do not count: stacks, other data, partly filled lines."""


@dataclass(frozen=True)
class TileTarget:
    """The numbers of one device for one element type.

    Attributes:
        near: bytes of the innermost memory one unit may fill. far: bytes of the largest memory that belongs to the
        units of the outermost group (its private cache or local memory); equal to `near` when there is one only.
        registers: bytes of accumulators per unit, None when the description has no register level. vectors: how many
        vector registers these are, 0 without a level.
        lanes: elements of a vector, columns of a unit that does one row at a time; tile extents along contiguous
        dimensions are multiples. width: elements that one innermost unit works on at a time. tile: shape of one
        operation of the unit that works on whole tiles, else ().
        units: how many tiles run at a time. copies: tiles are copied into the innermost memory explicitly.
        granule: bytes that explicit copies are multiples of. burst: most bytes of one copied row, None for
        any.
        copy_latency: seconds until an explicit copy of one row starts, 0 where nothing is copied.
        outer_bandwidth: B/s at which all units together read the shared memory. far_bandwidth: B/s of one unit's
        `far`. far_latency: seconds until it answers. rate: op/s of the whole device.
        loads: vectors that the memory nearest to a unit delivers while it does one vector of multiply-adds. waiting:
        independent sums that hide the time which a multiply-add takes; 1 where the description does not tell it.
        call: seconds of a call of the library that does a tile, beside its work; None where code is generated.
        told: whether the description gives the rate and the bandwidths; where it does not, round figures stand in,
        which rank tiles and say nothing of time.
    """

    near: int
    near_level: str
    far: int
    far_level: str
    registers: int | None
    vectors: int
    lanes: int
    width: int
    tile: tuple[int, ...]
    units: int
    copies: bool
    granule: int
    burst: int | None
    outer_bandwidth: float
    far_bandwidth: float
    far_latency: float
    copy_latency: float
    rate: float
    loads: float = 1.0
    waiting: float = 1.0
    call: float | None = None
    told: bool = True

    @property
    def caches(self) -> bool:
        """Units whose private memories are caches, one behind the other: data moves when it is read."""
        return not self.copies and self.far_level != self.near_level

    @property
    def block(self) -> RegisterBlock:
        """Sums that stay in registers while a reduction runs."""
        return register_block(self.vectors)

    @property
    def panel_columns(self) -> int:
        """Columns of a register block."""
        return self.block.vectors * self.lanes

    def rows_beside(self, vectors: int) -> int:
        """Rows of a register block that is `vectors` vectors wide, at least 1."""
        return max(1, most_rows(self.vectors, vectors))

    @property
    def holds_tiles_in_registers(self) -> bool:
        """Units with one private memory that is addressed directly compute on tiles in their registers."""
        return self.registers is not None and not self.copies and self.far_level == self.near_level


def tile_target(device: Device, function: str, dtype: str, library: Unit | None = None) -> TileTarget:
    """Reads `device` for kernels whose main work is `function` on `dtype`, done by generated code or by a library."""
    unit = library or device.unit_for(function, dtype)
    memories = device.memories()
    near = memories[-1]
    private = [m for m in memories if _inside_group(device, m.name)] or [near]
    far = private[0] if private[0].access != "dma" else near
    outer = memories[max(0, memories.index(private[0]) - 1)]
    registers = [level for level in device.levels if level.kind == "register"]
    copies = near.kind == "scratchpad" and any(m.access == "dma" for m in memories)
    rate = device.unit_rate(unit, dtype) if unit else 1e9
    if library is not None:  # what its calls reach is all that is known of it
        rate *= library.utilisation.get(dtype, 1.0)
    tile = tuple(unit.tile.get(dtype, ())) if unit else ()
    lanes = tile[1] if tile[:1] == (1,) else _lanes(device, dtype)
    at_once = prod(tile) if tile[:1] == (1,) else lanes
    return TileTarget(
        near=int((room(device, near.name) or 2**15) * (1 - KEPT_FREE)),
        near_level=near.name,
        far=int((room(device, far.name) or 2**18) * (1 - KEPT_FREE)),
        far_level=far.name,
        registers=room(device, registers[0].name) if registers else None,
        vectors=(registers[-1].size or 0) // max(registers[-1].granule, 1) if registers else 0,
        lanes=lanes,
        width=max((u.lanes.get(dtype, 1) * u.count for u in device.units), default=1),
        tile=tile,
        units=units(device),
        copies=copies,
        granule=max((m.granule for m in memories if m.access == "dma"), default=near.granule),
        burst=next((m.burst for m in memories if m.access == "dma"), None),
        outer_bandwidth=outer.bandwidth or 1e10,
        far_bandwidth=far.bandwidth or 1e11,
        far_latency=_latency(far),
        copy_latency=max((_latency(m) for m in memories if m.access == "dma"), default=0.0),
        rate=rate,
        loads=_loads(device, near, rate, dtype),
        waiting=max((unit.latency or 0.0) * rate / 2 / (at_once * units(device)), 1.0) if unit else 1.0,
        call=None if library is None else library.latency or 0.0,
        told=unit is not None and None not in (outer.bandwidth, far.bandwidth),
    )


def _loads(device: Device, near: Level, rate: float, dtype: str) -> float:
    """Elements that all near memories deliver, by those that multiply-adds take as many of; 1 where nothing is told."""
    bandwidth = device.level_bandwidth(near.name)
    return bandwidth / dtype_bytes(dtype) / (rate / 2) if bandwidth and rate else 1.0


def _latency(level: Level) -> float:
    """Seconds until a transfer starts, in the slower direction."""
    return max([level.latency or 0.0, *level.latencies.values()])


def _inside_group(device: Device, name: str) -> bool:
    seen = False
    for level in device.levels:
        seen = seen or level.kind == "group"
        if level.name == name:
            return seen
    return False


def _lanes(device: Device, dtype: str) -> int:
    """Elements of the widest vector that any unit of the device works on; 1 where nothing says."""
    return max((unit.lanes.get(dtype, 1) for unit in device.units), default=1)
