"""The base of all schema records: strict keys, with every unknown key reported at its place."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from stratagem.hwmodels import units
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.values import Directed, Reads, Value, is_date, refuse

UNKNOWN_KEYS = "hardware_unknown_keys"


def dashed(name: str) -> str:
    """The YAML spelling of a field: `threads_for_peak` is `threads-for-peak`."""
    return name.rstrip("_").replace("_", "-")


class Record(BaseModel):
    """A map of the file. Keys are those of the record; others are refused with the nearest one."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=dashed, validate_by_name=False)

    @model_validator(mode="before")
    @classmethod
    def plain_map(cls, data: Any, info: ValidationInfo) -> Any:
        """Refuse what is no map, and hand unknown keys to the caller's list so that all are told at once."""
        if not isinstance(data, dict):
            raise refuse(f"expected a map with {cls.key_list()}")
        known = set(cls.spellings())
        unknown = [key for key in data if key not in known]
        if unknown and info.context is not None:
            info.context.setdefault(UNKNOWN_KEYS, []).append((cls, data, unknown))
            return {key: value for key, value in data.items() if key in known}
        return data

    @classmethod
    def spellings(cls) -> tuple[str, ...]:
        """The keys a file may write."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def key_list(cls) -> str:
        return ", ".join(f"'{key}'" for key in cls.spellings())

    @classmethod
    def hint(cls, key: str) -> str:
        """What was meant by an unknown key."""
        return did_you_mean(key, cls.spellings()) or f"keys here are {', '.join(cls.spellings())}"


def known_name(value: Any) -> Any:
    """Names are plain words: letters, digits, dash, dot, underscore."""
    if isinstance(value, str) and value and all(c.isalnum() or c in "-._" for c in value):
        return value
    raise refuse(f"expected a name of letters, digits, '-', '_' or '.', not {value!r}")


Name = Annotated[str, BeforeValidator(known_name)]
Count = Annotated[int, Field(ge=1, le=10**9, strict=True)]
DTYPES = (
    "f64",
    "f32",
    "tf32",
    "f16",
    "bf16",
    "f8e4m3",
    "f8e5m2",
    "i64",
    "i32",
    "i16",
    "i8",
    "i4",
    "i1",
    "index",
)

COLLECTIVES = (
    "broadcast",
    "scatter",
    "gather",
    "all_gather",
    "reduce_scatter",
    "all_reduce",
    "all_to_all",
    "send_recv",
    "barrier",
)


def known_dtype(value: Any) -> Any:
    """Element types are those of the compiler's IR (plus tensor-core formats)."""
    if value in DTYPES:
        return value
    hint = did_you_mean(str(value), DTYPES) or f"dtypes are {', '.join(DTYPES)}"
    raise refuse(f"unknown dtype '{value}'; {hint}")


Dtype = Annotated[str, BeforeValidator(known_dtype)]

Size = Annotated[Value, Reads(units.SIZE)]
Bandwidth = Annotated[Value, Reads(units.BANDWIDTH)]
DirectedBandwidth = Annotated[Directed, Reads(units.BANDWIDTH, directed=True)]
Latency = Annotated[Value, Reads(units.LATENCY)]
DirectedLatency = Annotated[Directed, Reads(units.LATENCY, directed=True)]
ByteEnergy = Annotated[Value, Reads(units.BYTE_ENERGY)]
OpEnergy = Annotated[Value, Reads(units.OP_ENERGY)]
Rate = Annotated[Value, Reads(units.RATE)]
Peak = Annotated[Value, Reads(units.PEAK)]
Clock = Annotated[Value, Reads(units.CLOCK)]
Watts = Annotated[Value, Reads(units.POWER, positive=False)]
Money = Annotated[Value, Reads(units.MONEY, positive=False)]
MoneyRate = Annotated[Value, Reads(units.MONEY_RATE, positive=False)]
Carbon = Annotated[Value, Reads(units.CARBON, positive=False)]
Mass = Annotated[Value, Reads(units.MASS, positive=False)]
Ratio = Annotated[Value, Reads(units.RATIO, positive=False)]
Share = Annotated[Value, Reads(units.RATIO, positive=False, most=1)]
Reach = Annotated[Value, Reads(units.RATIO, most=1)]  # above nothing, at most all
PeakShare = Annotated[Value, Reads(units.RATIO, most=1.5)]  # above 1 where the clock was above the stated one
Lifetime = Annotated[Value, Reads(units.LIFETIME)]


def known_date(value: Any) -> Any:
    """A day, YYYY-MM-DD."""
    if isinstance(value, str) and is_date(value):
        return value
    raise refuse(f"expected a date such as 2026-08-01, not '{value}'")


Date = Annotated[str, BeforeValidator(known_date)]


def known_pattern(value: Any) -> Any:
    """Structured sparsity: at most N of every M neighbours are not zero."""
    found = re.fullmatch(r"(\d{1,3}):(\d{1,3})", value) if isinstance(value, str) else None
    if found and 0 < int(found[1]) < int(found[2]):
        return value
    raise refuse(f"expected N:M (N of every M weights are not zero), such as '2:4' in quotes, not {value!r}")


Pattern = Annotated[str, BeforeValidator(known_pattern)]
