"""A device: its levels from the outside in, its units and what they can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stratagem.hwmodels.records.link import Edge, Pins
from stratagem.hwmodels.trust import UNKNOWN, Provenance

if TYPE_CHECKING:
    from stratagem.hwmodels.expressions import TensorExpression

MEMORY_KINDS = ("memory", "cache", "scratchpad")


@dataclass(frozen=True)
class Level:
    """One rung of a device's hierarchy, outermost first.

    A `group` level has no storage: it says that everything further in exists `count` times. For the other
    kinds `count` is the number of equal pieces (banks, slices); `size` and `bandwidth` are those of one
    piece.

    Attributes:
        size: bytes of one piece. granule: bytes of the smallest sensible access. burst: most bytes of one
        transfer.
        bandwidth: B/s of one piece towards the compute units. latency: seconds. energy: J/B.
        space: memory space number for code generators. access: "load" (addressed) or "dma" (explicit copies
        only).
        threads: hardware threads of one unit of a group; threads_for_peak: how many are needed for the full
        rate.
        bandwidths, latencies: per direction (`in`, `out`, `broadcast`) where the file gives them apart.
        write: cost of writing a `weights` level: latency (s), energy (J/B), endurance (writes).
        pins: the wires of one piece. utilisation: share of the bandwidth that long streams reach, None where nobody
        says.
    """

    name: str
    kind: str
    count: int = 1
    size: int | None = None
    granule: int = 1
    burst: int | None = None
    bandwidth: float | None = None
    latency: float | None = None
    energy: float | None = None
    space: int | None = None
    access: str = "load"
    threads: int | None = None
    threads_for_peak: int | None = None
    bandwidths: Mapping[str, float] = field(default_factory=dict)
    latencies: Mapping[str, float] = field(default_factory=dict)
    write: Mapping[str, float] = field(default_factory=dict)
    pins: Pins | None = None
    utilisation: float | None = None


@dataclass(frozen=True)
class Sparse:
    """What a unit does when all but N of every M weights are zero (`pattern` "N:M"): dtype -> op/s of one unit.

    Operations are counted as if the weights were dense, as data sheets do; so a rate may be M/N of the dense one.
    """

    pattern: str
    rate: Mapping[str, float] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """How many times faster than dense it can be at most."""
        kept, of = self.pattern.split(":")
        return int(of) / int(kept)


@dataclass(frozen=True)
class LibraryCall:
    """A function of a shared library that does a unit's function.

    Attributes:
        library: its file, as the loader finds it, or below `lib` or a folder of Python packages.
        symbols: dtype -> the function to call. convention: how it is called, a key of `conventions.CONVENTIONS`.
        set_threads, get_threads: functions that set and tell how many threads a call may use; empty for none.
        install: what to do where the library is missing.
    """

    library: str
    symbols: Mapping[str, str]
    convention: str
    set_threads: str = ""
    get_threads: str = ""
    install: str = ""


@dataclass(frozen=True)
class Unit:
    """A kind of compute unit: where it sits, how many per place, what it can do and how fast.

    Attributes:
        at: the level whose data it works on. count: units per instance of that level.
        functions: names of the functions it does. lanes: dtype -> elements per cycle.
        rate: dtype -> op/s of one unit (derived from lanes and clock where the file gives lanes).
        tile: dtype -> tile shape of one operation, for units that work on whole tiles only.
        energy: dtype -> J/op. emulated: software on another unit, so never part of a peak.
        stationary: the operand that stays in the unit ("weights"). emit: facts for the code generator.
        calls: functions that are calls of a library, not generated code.
        sparse: rates on structured sparse weights; never part of a peak.
        utilisation: dtype -> share of the rate that large, well-shaped operations reach.
    """

    name: str
    at: str
    count: int = 1
    functions: tuple[str, ...] = ()
    lanes: Mapping[str, int] = field(default_factory=dict)
    rate: Mapping[str, float] = field(default_factory=dict)
    tile: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    emulated: bool = False
    stationary: str | None = None
    emit: Mapping[str, Any] = field(default_factory=dict)
    energy: Mapping[str, float] = field(default_factory=dict)
    latency: float | None = None
    noise: Mapping[str, float] = field(default_factory=dict)
    sparse: Sparse | None = None
    utilisation: Mapping[str, float] = field(default_factory=dict)
    calls: Mapping[str, LibraryCall] = field(default_factory=dict)

    def supports(self, function: str, dtype: str) -> bool:
        """Whether this unit does `function` on elements of `dtype`."""
        return function in self.functions and dtype in self.rate


@dataclass(frozen=True)
class Function:
    """An operation with its meaning: a tensor expression such as `C[m,n] += A[m,k] * B[k,n]`.

    `dtypes` limits the element types; empty means any type its unit has a rate for. `category` is "multiply-add",
    "other" or "move" where that is known without parsing (see `is_multiply_add`, `is_move`).
    """

    name: str
    text: str
    dtypes: tuple[str, ...] = ()
    category: str = ""

    @cached_property
    def expression(self) -> TensorExpression:
        """The parsed meaning (parsed once, on first use)."""
        from stratagem.hwmodels.expressions import parse_expression

        return parse_expression(self.text)

    @property
    def is_multiply_add(self) -> bool:
        """Whether one point is a product added to something: two operations at once."""
        return self.category == "multiply-add" if self.category else self.expression.is_multiply_add

    @property
    def is_move(self) -> bool:
        """Whether nothing is computed: the values are copied, gathered or transposed."""
        return self.category == "move" if self.category else self.expression.operations_per_point == 0


@dataclass(frozen=True)
class Power:
    """Watts drawn doing nothing and at most; None where the file does not say."""

    idle: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Collectives:
    """How instances of a device exchange data: `via` what, which primitives exist, which do not."""

    via: str | None = None
    supports: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Device:
    """A device class. Two devices are equal when their resolved descriptions are (same `digest`).

    Attributes:
        kind: the class ("cpu", "gpu", "near-memory", ...). backend: the code generator's name.
        clock: Hz. launch: seconds to start one kernel. levels: outermost first.
        peak: dtype -> op/s as declared. target: facts for code generation.
        provenance: "levels.dram.bandwidth" -> where that value comes from; see `trust`.
        document: the resolved description as plain data, for saving and digests.
        cost: price (USD), rent (USD/s), embodied_carbon (kg), as far as given. status: "placeholder", "draft" or
        "reviewed".
    """

    name: str
    kind: str
    backend: str
    clock: float
    levels: tuple[Level, ...]
    units: tuple[Unit, ...]
    functions: Mapping[str, Function] = field(default_factory=dict)
    peak: Mapping[str, float] = field(default_factory=dict)
    power: Power = Power()
    collectives: Collectives = Collectives()
    target: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    links: tuple[Edge, ...] = ()
    launch: float | None = None
    cost: Mapping[str, float] = field(default_factory=dict)
    source: Provenance = UNKNOWN
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    status: str = "draft"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and (self.name, self.digest) == (other.name, other.digest)

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    def level(self, name: str) -> Level:
        """The level called `name`; KeyError with the names there are."""
        for level in self.levels:
            if level.name == name:
                return level
        known = ", ".join(level.name for level in self.levels)
        raise KeyError(f"device {self.name!r} has no level {name!r}; it has {known}")

    def groups(self) -> tuple[Level, ...]:
        """The group levels (tiers of units), outermost first."""
        return tuple(level for level in self.levels if level.kind == "group")

    def memories(self) -> tuple[Level, ...]:
        """The memory, cache and scratchpad levels, outermost first."""
        return tuple(level for level in self.levels if level.kind in MEMORY_KINDS)

    def instances(self, name: str) -> int:
        """How many pieces of level `name` the whole device has."""
        total = 1
        for level in self.levels:
            if level.name == name:
                return total * level.count
            if level.kind == "group":
                total *= level.count
        raise KeyError(f"device {self.name!r} has no level {name!r}")

    def units_in_device(self, unit: Unit) -> int:
        """How many copies of `unit` the whole device has."""
        return self.instances(unit.at) * unit.count

    def unit_for(self, function: str, dtype: str) -> Unit | None:
        """The fastest unit that does `function` on `dtype` by generated code; None when no unit does."""
        able = [unit for unit in self.units if self.allows(unit, function, dtype) and function not in unit.calls]
        return max(able, key=lambda unit: self.unit_rate(unit, dtype), default=None)

    def libraries_for(self, function: str, dtype: str) -> tuple[Unit, ...]:
        """The units that do `function` on `dtype` by calling a library."""
        return tuple(u for u in self.units if function in u.calls and self.allows(u, function, dtype))

    def allows(self, unit: Unit, function: str, dtype: str) -> bool:
        """Whether `unit` does `function` on `dtype`, by the unit and by the function's own dtypes."""
        known = self.functions.get(function)
        return unit.supports(function, dtype) and (known is None or not known.dtypes or dtype in known.dtypes)

    def unit_rate(self, unit: Unit, dtype: str) -> float:
        """op/s of all copies of `unit` together on `dtype`; 0 when it does not do that dtype."""
        return unit.rate.get(dtype, 0.0) * self.units_in_device(unit)

    def peak_rate(self, dtype: str) -> float:
        """The most op/s of any one kind of unit on `dtype`, emulation last; 0 when none computes on it."""
        able = [unit for unit in self.units if dtype in unit.rate and self.computes(unit)]
        hardware = [self.unit_rate(unit, dtype) for unit in able if not unit.emulated]
        software = [self.unit_rate(unit, dtype) for unit in able if unit.emulated]
        return max(hardware, default=0.0) or max(software, default=0.0)

    def sparse_rate(self, dtype: str) -> float:
        """The most op/s of any one kind of unit on structured sparse weights of `dtype`; 0 when none has a rate."""
        rates = [(unit.sparse.rate.get(dtype, 0.0), unit) for unit in self.units if unit.sparse]
        return max((rate * self.units_in_device(unit) for rate, unit in rates), default=0.0)

    def computes(self, unit: Unit) -> bool:
        """Whether a unit does more than move data."""
        return any(name not in self.functions or not self.functions[name].is_move for name in unit.functions)

    def level_bandwidth(self, name: str) -> float | None:
        """B/s of all pieces of a level together; None when the file does not say."""
        bandwidth = self.level(name).bandwidth
        return None if bandwidth is None else bandwidth * self.instances(name)

    def balance(self, level: str, dtype: str = "f32") -> float:
        """Operations the device can do per byte that `level` delivers (op/B); inf without bandwidth."""
        bandwidth = self.level_bandwidth(level)
        return self.peak_rate(dtype) / bandwidth if bandwidth else float("inf")

    def trust(self, path: str) -> Provenance:
        """Where the value at `path` ("levels.dram.bandwidth") comes from; by default the file's source."""
        return self.provenance.get(path, self.source)
