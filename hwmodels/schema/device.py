"""The keys of a `device:` file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from stratagem.hwmodels.conventions import CONVENTIONS
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.schema.base import (
    ByteEnergy,
    Clock,
    Count,
    DirectedBandwidth,
    DirectedLatency,
    Dtype,
    Latency,
    Mass,
    Money,
    MoneyRate,
    Name,
    OpEnergy,
    Pattern,
    Peak,
    Rate,
    Reach,
    Record,
    Share,
    Size,
    Watts,
)
from stratagem.hwmodels.schema.link import EdgeEntry, PinsEntry
from stratagem.hwmodels.schema.source import SourceEntry
from stratagem.hwmodels.values import refuse


class WriteEntry(Record):
    """The cost of writing a weights level."""

    latency: Latency | None = None
    energy: ByteEnergy | None = None
    endurance: Annotated[float, Field(gt=0)] | None = Field(None, description="writes before wear-out")


class LevelEntry(Record):
    """One rung of the hierarchy."""

    name: Name
    kind: Literal["memory", "cache", "scratchpad", "register", "group", "external", "weights"]
    count: Count = Field(1, description="fan-out of a group; equal pieces of a memory")
    threads: Count | None = Field(None, description="hardware threads of one unit of a group")
    threads_for_peak: Count | None = Field(None, description="threads needed for the full rate")
    size: Size | None = None
    granule: Size | None = Field(None, description="smallest sensible access, a power of two")
    burst: Size | None = Field(None, description="largest single transfer")
    bandwidth: DirectedBandwidth | None = None
    latency: DirectedLatency | None = None
    energy: ByteEnergy | None = None
    utilisation: Annotated[Reach | None, Field(description="share of the bandwidth that long streams reach")] = None
    space: Annotated[int, Field(ge=0, le=1000, strict=True)] | None = Field(None, description="memory space number")
    access: Literal["load", "dma"] = "load"
    write: WriteEntry | None = None
    pins: PinsEntry | None = Field(None, description="of one piece; gives or checks the bandwidth")


def known_symbol(value: Any) -> Any:
    """The name of a C function."""
    if isinstance(value, str) and SYMBOL.fullmatch(value):
        return value
    raise refuse(f"expected the name of a C function, not {value!r}")


def library_file(value: Any) -> Any:
    """A shared library: a file name, or a path to it."""
    if isinstance(value, str) and LIBRARY_FILE.fullmatch(value) and ".." not in value:
        return value
    raise refuse(f"expected the file of a shared library, such as 'libblas.so.3', not {value!r}")


def known_convention(value: Any) -> Any:
    """A way to call that code generators know."""
    if value in CONVENTIONS:
        return value
    hint = did_you_mean(str(value), CONVENTIONS) or f"conventions are {', '.join(CONVENTIONS)}"
    raise refuse(f"unknown convention '{value}'; {hint}")


SYMBOL = re.compile(r"[A-Za-z_]\w*")
LIBRARY_FILE = re.compile(r"(/?[\w.+-]+/)*[\w.+-]+\.so(\.[\w.]+)*")
Symbol = Annotated[str, BeforeValidator(known_symbol)]
LibraryFile = Annotated[str, BeforeValidator(library_file)]


class NoiseEntry(Record):
    """Error of an analogue unit."""

    sigma: Share


class SparseEntry(Record):
    """Speed on structured sparse weights, operations counted as if they were dense."""

    pattern: Pattern = Field(description="'N:M': at most N of every M are not zero")
    rate: dict[Dtype, Rate] = Field(min_length=1, description="op/cy or op/s of one unit, by dtype")


class ThreadsEntry(Record):
    """Functions of a library that say how many threads a call may use; code calls it from threads of its own."""

    set: Symbol = Field(description="takes the number; called with 1 before each call")
    get: Symbol | None = Field(None, description="tells the number, which is then put back after each call")


class LibraryEntry(Record):
    """A call of a shared library in place of generated code."""

    library: LibraryFile = Field(description="file, ending in the name that the library gives itself (its soname)")
    symbols: dict[Dtype, Symbol] = Field(min_length=1, description="the function to call, by dtype")
    convention: Annotated[str, BeforeValidator(known_convention)] = Field(description="how it takes its arguments")
    threads: ThreadsEntry | None = None
    install: str = Field("", description="what to do where the library is missing")


class UnitEntry(Record):
    """A kind of compute unit."""

    name: Name
    at: Name = Field(description="the level whose data it works on")
    count: Count = Field(1, description="units per instance of that level")
    functions: list[Name] = Field(default_factory=list, description="what it can do (see 'functions')")
    lanes: dict[Dtype, Count] = Field(default_factory=dict, description="elements per cycle, by dtype")
    rate: dict[Dtype, Rate] = Field(default_factory=dict, description="op/cy or op/s of one unit, by dtype")
    tile: dict[Dtype, list[Count]] = Field(default_factory=dict, description="shape of one operation, by dtype")
    utilisation: dict[Dtype, Reach] = Field(
        default_factory=dict, description="share of the rate that large, well-shaped operations reach, by dtype"
    )
    emulated: bool = Field(False, description="done in software by other units")
    stationary: Literal["weights", "outputs", "inputs"] | None = None
    latency: Latency | None = None
    energy: dict[Dtype, OpEnergy] = Field(default_factory=dict)
    noise: NoiseEntry | None = None
    sparse: SparseEntry | None = Field(None, description="never part of a peak")
    emit: dict[str, Any] = Field(default_factory=dict, description="facts for the code generator, by function")
    calls: dict[Name, LibraryEntry] = Field(
        default_factory=dict, description="functions that are calls of a library, not generated code"
    )


def function_map(data: Any) -> Any:
    """A function may be given as its expression alone."""
    return {"expression": data} if isinstance(data, str) else data


def known_expression(text: Any) -> Any:
    """Text that parses as a tensor expression."""
    from stratagem.hwmodels.expressions import ExpressionError, parse_expression

    if not isinstance(text, str):
        raise refuse("expected a tensor expression such as 'Y[i] = max(X[i], 0)'")
    try:
        parse_expression(text)
    except ExpressionError as error:
        raise refuse(str(error)) from None
    return text


class FunctionEntry(Record):
    """An operation and its meaning."""

    expression: Annotated[str, BeforeValidator(known_expression)]
    dtypes: list[Dtype] = Field(default_factory=list, description="element types; empty for any")


class PowerEntry(Record):
    """Watts."""

    idle: Watts | None = None
    max: Watts | None = None


class CollectivesEntry(Record):
    """How instances of the device exchange data."""

    via: Name | None = None
    supports: list[Name] = Field(default_factory=list)
    forbids: list[Name] = Field(default_factory=list)


class DeviceCost(Record):
    """Money and carbon of one device."""

    price: Money | None = None
    rent: MoneyRate | None = None
    embodied_carbon: Mass | None = None


class DeviceFile(Record):
    """A `device:` document."""

    hw: Literal[1]
    device: Name
    class_: Name = Field(description="the kind of device: cpu, gpu, near-memory, ...")
    backend: Name | None = Field(description="the code generator: cpu, gpu, ...; null for none")
    source: SourceEntry
    note: str = ""
    clock: Annotated[Clock, Field(description="turns cycles into seconds")]
    launch: Latency | None = Field(None, description="time to start one kernel")
    levels: list[LevelEntry] = Field(
        min_length=1, description="memories and groups of units, outermost first; numbers are those of one piece"
    )
    units: list[UnitEntry] = Field(min_length=1, description="what computes, where it sits and how fast one of it is")
    functions: dict[Name, Annotated[FunctionEntry, BeforeValidator(function_map)]] = Field(
        default_factory=dict, description="operations beyond the built-in ones, with their meaning"
    )
    links: list[EdgeEntry] = Field(default_factory=list, description="paths outside the tree of levels")
    peak: dict[Dtype, Peak] = Field(default_factory=dict, description="checked against the units, never trusted")
    power: PowerEntry | None = Field(None, description="drawn doing nothing, and at most")
    collectives: CollectivesEntry | None = Field(None, description="how instances of the device exchange data")
    target: dict[str, Any] = Field(default_factory=dict, description="facts for code generation")
    cost: DeviceCost | None = Field(None, description="money and carbon of one device")
