"""What one device does in a second, read from its description once, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.compiler.cost.figures import Figures
from stratagem.hwmodels import Device, Level, Unit
from stratagem.hwmodels.need import MissingNumberError, needed

BYTES: dict[str, float] = {
    **dict.fromkeys(("f64", "i64", "index"), 8),
    **dict.fromkeys(("f32", "tf32", "i32"), 4),
    **dict.fromkeys(("f16", "bf16", "i16"), 2),
    **dict.fromkeys(("f8e4m3", "f8e5m2", "i8", "i1"), 1),
    "i4": 0.5,
}
"""Bytes of an element in memory."""
KERNEL = "time of a kernel"
WIDE = {"f16": "f32", "bf16": "f32", "f8e4m3": "f32", "f8e5m2": "f32"}
"""What narrow floats are computed in where no unit takes them as they are."""


@dataclass(frozen=True)
class DeviceModel:
    """Rates of one device for one element type.

    Attributes:
        places: groups of units that each compute a block of a product (cores, multiprocessors).
        matmul: op/s that one place reaches. tile: rows, columns and depth of one operation of its unit.
        place_bytes: memory in a place that sums stand in. near: B/s from the nearest shared level into one place.
        memory: B/s that streams from main memory reach. latency: s of main memory. capacity: bytes of main memory.
        shared: share of a block's longer side that a neighbour hands over, where scratchpads are joined by a path.
        launch: s to start one kernel. simple, special: op/s of additions and of exponentials.
    """

    name: str
    dtype: str
    places: int
    matmul: float
    tile: tuple[int, int, int]
    place_bytes: float
    near: float
    memory: float
    latency: float
    capacity: float
    shared: float
    launch: float
    simple: float
    special: float

    @property
    def element(self) -> float:
        """Bytes of an element."""
        return BYTES[self.dtype]

    @property
    def peak(self) -> float:
        """op/s of products that all places reach together."""
        return self.matmul * self.places


def device_model(device: Device, dtype: str, figures: Figures) -> DeviceModel:
    """The rates of `device` on `dtype`, each taken at the end of `figures`.

    Raises MissingNumberError where the description lacks what products, streams or kernels need.
    """
    unit = device.unit_for("matmul", dtype)
    if unit is None:
        raise MissingNumberError(device.name, f"units.*.rate.{dtype}", f"time of a {dtype} matmul")
    main = main_memory(device)
    places = places_of(device, unit)
    share = unit.utilisation.get(dtype)
    rate = device.unit_rate(unit, dtype) / places
    path = _rate(device, unit, dtype)
    rate = figures.gain(_key(device, path), rate, device.trust(path))
    if share is not None:
        path = f"units.{unit.name}.utilisation.{dtype}"
        rate *= figures.gain(_key(device, path), share, device.trust(path), 1.0)
    return DeviceModel(
        name=device.name,
        dtype=dtype,
        places=places,
        matmul=rate,
        tile=tile_of(unit, dtype),
        place_bytes=place_bytes(device, unit),
        near=near_bandwidth(device, unit, figures) / places,
        memory=bandwidth(device, main, figures),
        latency=latency(device, main, figures),
        capacity=float(main.size or 0) * device.instances(main.name),
        shared=shared_side(device, unit),
        launch=launch(device, figures),
        simple=vector_rate(device, "add", dtype, figures),
        special=vector_rate(device, "exp", dtype, figures),
    )


def main_memory(device: Device) -> Level:
    """The outermost memory with a size and a bandwidth; a cache or scratchpad where there is no other."""
    known = [level for level in device.memories() if level.size and level.bandwidth]
    for level in [*(level for level in known if level.kind == "memory"), *known]:
        return level
    raise MissingNumberError(device.name, "levels.*.bandwidth", KERNEL)


def places_of(device: Device, unit: Unit) -> int:
    """How many groups of units there are: instances of the innermost group around the unit, 1 without one."""
    total = 1
    for level in device.levels:
        if level.name == unit.at:
            break
        if level.kind == "group":
            total *= level.count
    return total


def tile_of(unit: Unit, dtype: str) -> tuple[int, int, int]:
    """Rows, columns and depth of one operation; a vector unit does one row of lanes."""
    shape = unit.tile.get(dtype)
    if shape and len(shape) == 3:
        return (shape[0], shape[1], shape[2])
    return (1, unit.lanes.get(dtype, 1), 1)


def place_bytes(device: Device, unit: Unit) -> float:
    """Bytes of the largest memory inside a place, registers included; unlimited where the description has none."""
    inside: list[float] = []
    reached = False
    for level in device.levels:
        if level.kind == "group":
            if reached:
                break
            inside = []
        elif level.size:
            inside.append(float(level.size * level.count))
        reached = reached or level.name == unit.at
    return max(inside, default=float("inf"))


def shared_side(device: Device, unit: Unit) -> float:
    """Half of a side where places hand operands to each other: a path between the memories that units compute from
    joins at least two of them."""
    joined = {edge.source for edge in device.links if edge.source == edge.target}
    places = [level.name for level in device.levels if level.name == unit.at or level.kind == "scratchpad"]
    return 0.5 if joined.intersection(places) and places_of(device, unit) > 1 else 0.0


def near_bandwidth(device: Device, unit: Unit, figures: Figures) -> float:
    """B/s of the innermost memory that all places share: a last-level cache, or main memory itself."""
    shared = main_memory(device)
    for level in device.levels:
        if level.kind == "group":
            break
        if level.kind in ("memory", "cache", "scratchpad") and level.bandwidth:
            shared = level
    return bandwidth(device, shared, figures)


def bandwidth(device: Device, level: Level, figures: Figures) -> float:
    """B/s that streams from all pieces of a level reach."""
    path = f"levels.{level.name}.bandwidth"
    whole = figures.gain(_key(device, path), device.level_bandwidth(level.name) or 0.0, device.trust(path))
    if level.utilisation is None:
        return whole
    path = f"levels.{level.name}.utilisation"
    return whole * figures.gain(_key(device, path), level.utilisation, device.trust(path), 1.0)


def latency(device: Device, level: Level, figures: Figures) -> float:
    """Seconds of one access."""
    path = f"levels.{level.name}.latency"
    return figures.burden(_key(device, path), needed(device, path, KERNEL), device.trust(path))


def launch(device: Device, figures: Figures) -> float:
    """Seconds to start one kernel; a device that is its own host calls functions, and a call costs nothing here."""
    if device.launch is None and device.backend == "cpu":
        return 0.0
    return figures.burden(_key(device, "launch"), needed(device, "launch", KERNEL), device.trust("launch"))


def vector_rate(device: Device, function: str, dtype: str, figures: Figures) -> float:
    """op/s of all units that do `function`, in a wider type where none takes `dtype`."""
    for kind in (dtype, WIDE.get(dtype, dtype)):
        unit = device.unit_for(function, kind)
        if unit is not None:
            path = _rate(device, unit, kind)
            return figures.gain(_key(device, path), device.unit_rate(unit, kind), device.trust(path))
    raise MissingNumberError(device.name, f"units.*.rate.{dtype}", f"time of elementwise work with {function}")


def _rate(device: Device, unit: Unit, dtype: str) -> str:
    """Where a rate comes from: its own entry, or the lanes, which carry no origin of their own."""
    path = f"units.{unit.name}.rate.{dtype}"
    return path if path in device.provenance or dtype not in unit.lanes else f"units.{unit.name}.lanes.{dtype}"


def _key(device: Device, path: str) -> str:
    return f"{device.name}: {path}"
