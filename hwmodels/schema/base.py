"""The base of all schema records: strict keys, with every unknown key reported at its place."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from stratagem.hwmodels import units
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.values import directed_type, field_type

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
            raise PydanticCustomError(
                "hardware", "{message}", {"message": f"expected a map with {cls.key_list()}"}
            )
        unknown = [key for key in data if key not in cls.keys()]
        if unknown and info.context is not None:
            info.context.setdefault(UNKNOWN_KEYS, []).append((cls, data, unknown))
            return {key: value for key, value in data.items() if key in cls.keys()}
        return data

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The keys a file may write."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @classmethod
    def key_list(cls) -> str:
        return ", ".join(f"'{key}'" for key in cls.keys())

    @classmethod
    def hint(cls, key: str) -> str:
        """What was meant by an unknown key."""
        return did_you_mean(key, cls.keys()) or f"keys here are {', '.join(cls.keys())}"


def known_name(value: Any) -> Any:
    """Names are plain words: letters, digits, dash, dot, underscore."""
    if isinstance(value, str) and value and all(c.isalnum() or c in "-._" for c in value):
        return value
    raise PydanticCustomError(
        "hardware",
        "{message}",
        {"message": f"expected a name of letters, digits, '-', '_' or '.', not {value!r}"},
    )


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


def known_dtype(value: Any) -> Any:
    """Element types are those of the compiler's IR (plus tensor-core formats)."""
    if value in DTYPES:
        return value
    hint = did_you_mean(str(value), DTYPES) or f"dtypes are {', '.join(DTYPES)}"
    raise PydanticCustomError("hardware", "{message}", {"message": f"unknown dtype '{value}'; {hint}"})


Dtype = Annotated[str, BeforeValidator(known_dtype)]

Size = field_type(units.SIZE)
Bandwidth = field_type(units.BANDWIDTH)
DirectedBandwidth = directed_type(units.BANDWIDTH)
Latency = field_type(units.LATENCY)
DirectedLatency = directed_type(units.LATENCY)
ByteEnergy = field_type(units.BYTE_ENERGY)
OpEnergy = field_type(units.OP_ENERGY)
Rate = field_type(units.RATE)
Peak = field_type(units.PEAK)
Clock = field_type(units.CLOCK)
Watts = field_type(units.POWER, positive=False)
Money = field_type(units.MONEY, positive=False)
MoneyRate = field_type(units.MONEY_RATE, positive=False)
Carbon = field_type(units.CARBON, positive=False)
Mass = field_type(units.MASS, positive=False)
Ratio = field_type(units.RATIO, positive=False)
