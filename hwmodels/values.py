"""Quantities as they stand in files: plain text, or a map that also says where the number comes from.

bandwidth: 3.35 TB/s
bandwidth: {value: 5.5 TB/s, kind: measured, spread: 15%}
bandwidth: {datasheet: 450 GB/s, measured: 400 GB/s}       # the most trusted one counts, the others are kept
bandwidth: {in: 6.7 GB/s, out: 4.7 GB/s}                   # per direction
bandwidth: {paper: [1.2 TB/s, 1.5 TB/s]}                   # sources of one kind that disagree: a range
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from stratagem.hwmodels import units
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.trust import KINDS, Provenance
from stratagem.hwmodels.units import Quantity, UnitError, Wanted, read_quantity

DIRECTIONS = ("in", "out", "broadcast")
MOST_DISAGREEMENT = 2.0  # measured over declared is rarely below one half; a prefix or a bit for a byte is 8 or 1000
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
VALUE_KEYS = ("value", *KINDS, "kind", "spread", "source", "id", "note", "retrieved")


@dataclass(frozen=True)
class Value:
    """One quantity with its origin (None: the file's), and what other origins say."""

    quantity: Quantity
    origin: Provenance | None = None
    others: Mapping[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True)
class Directed:
    """A quantity that may differ by direction; `main` is that towards the compute units."""

    main: Value
    directions: Mapping[str, Value] = field(default_factory=dict)


def refuse(message: str) -> PydanticCustomError:
    """A validation error with exactly this message."""
    return PydanticCustomError("hardware", "{message}", {"message": message})


def read_value(data: Any, wanted: Wanted, *, positive: bool = True) -> Value:
    """A quantity of the wanted kind from text or from a value map."""
    if isinstance(data, Mapping):
        return read_value_map(data, wanted, positive)
    return Value(read_number(data, wanted, positive))


def read_number(data: Any, wanted: Wanted, positive: bool) -> Quantity:
    """A quantity of the wanted kind, above zero unless told otherwise."""
    try:
        quantity = read_quantity(data, wanted)
    except UnitError as error:
        raise refuse(str(error)) from None
    if quantity.value < 0 or (positive and quantity.value == 0):
        raise refuse(f"{wanted.what} must be above zero, not {data}")
    return quantity


def read_range(data: Any, wanted: Wanted, positive: bool) -> tuple[Quantity, float | None]:
    """A number, or the middle of a list of numbers that sources disagree on, with how far they are from it."""
    if not isinstance(data, list):
        return read_number(data, wanted, positive), None
    if len(data) < 2:
        raise refuse("a list of numbers stands for sources that disagree; one of them needs no list")
    numbers = [read_number(number, wanted, positive) for number in data]
    if len({number.dimension for number in numbers}) > 1:
        raise refuse(f"the numbers {', '.join(map(str, data))} are not in the same kind of unit")
    low, high = min(number.value for number in numbers), max(number.value for number in numbers)
    middle, dimension = (low + high) / 2, numbers[0].dimension
    unit = "" if dimension == units.NONE else f" {units.describe(dimension)}"
    return Quantity(middle, dimension, f"{middle!r}{unit}"), (high - low) / (high + low)


def read_value_map(data: Mapping[str, Any], wanted: Wanted, positive: bool) -> Value:
    """A value map: one number under `value` (with `kind`) or one or more under the names of kinds."""
    for key in data:
        if key not in VALUE_KEYS:
            hint = did_you_mean(key, VALUE_KEYS) or f"keys are {', '.join(VALUE_KEYS)}"
            raise refuse(f"unknown key '{key}' beside a value; {hint}")
    ranges = {kind: read_range(data[kind], wanted, positive) for kind in (*KINDS, "value") if kind in data}
    named = {kind: quantity for kind, (quantity, _) in ranges.items() if kind != "value"}
    if "value" in data and named:
        raise refuse(f"give the number once: under 'value' or under {', '.join(named)}")
    if "value" not in data and not named:
        raise refuse(f"a map in place of a number needs 'value' (or one of {', '.join(KINDS)})")
    if named and "kind" in data:
        raise refuse(f"'kind' goes with 'value'; {', '.join(named)} already says the kind")
    best = next(iter(named), None)
    quantity, width = ranges[best or "value"]
    if width is not None and "spread" in data:
        raise refuse("a list of numbers already says the spread")
    agree(named, "spread" in data or width is not None)
    origin = read_origin(data, best, quantity.text, width)
    return Value(quantity, origin, {kind: other for kind, other in named.items() if kind != best})


def agree(named: Mapping[str, Quantity], is_range: bool) -> None:
    """Refuse sources that are further apart than any efficiency explains, unless the number is given as a range."""
    values = [quantity.value for quantity in named.values()]
    if is_range or len({quantity.dimension for quantity in named.values()}) > 1 or not min(values, default=0):
        return
    if max(values) > MOST_DISAGREEMENT * min(values):
        stated = ", ".join(f"{kind} {quantity.text}" for kind, quantity in named.items())
        factor = max(values) / min(values)
        raise refuse(f"the sources disagree by a factor of {factor:.3g} ({stated}); give the 'spread' that covers them")


def read_origin(data: Mapping[str, Any], kind: str | None, text: str, width: float | None = None) -> Provenance | None:
    """The provenance in a value map; None when it says nothing about it. `width`: half of a stated range."""
    stated = kind or data.get("kind")
    if stated is not None and stated not in KINDS:
        raise refuse(f"unknown kind {stated!r}; {did_you_mean(str(stated), KINDS) or 'kinds are ' + ', '.join(KINDS)}")
    spread = read_number(data["spread"], units.RATIO, False).value if "spread" in data else width
    if spread is not None and spread > 1:
        raise refuse(f"a spread is at most 100%, not {data['spread']}")
    identity = str(data.get("id") or data.get("source") or "")
    retrieved = str(data.get("retrieved") or "")
    if retrieved and not is_date(retrieved):
        raise refuse(f"expected a date such as 2026-08-01, not '{retrieved}'")
    if stated is None and spread is None and not identity:
        return None
    return Provenance(stated or "", spread, identity, str(data.get("note") or ""), text, retrieved)


def is_date(text: str) -> bool:
    """Whether a text is a day, YYYY-MM-DD."""
    try:
        return bool(ISO_DATE.fullmatch(text)) and date.fromisoformat(text) is not None
    except ValueError:
        return False


def read_directed(data: Any, wanted: Wanted) -> Directed:
    """A value, or a map with `in`, `out` or `broadcast`."""
    if not (isinstance(data, Mapping) and any(key in DIRECTIONS for key in data)):
        return Directed(read_value(data, wanted))
    for key in data:
        if key not in DIRECTIONS:
            hint = did_you_mean(key, DIRECTIONS) or f"directions are {', '.join(DIRECTIONS)}"
            raise refuse(f"unknown direction '{key}'; {hint}")
    directions = {key: read_value(value, wanted) for key, value in data.items()}
    return Directed(next(directions[key] for key in DIRECTIONS if key in directions), directions)


def text_schema(wanted: Wanted, directed: bool = False) -> dict[str, Any]:
    """JSON Schema of a quantity: text or value map."""
    bare = units.NONE in wanted.accepted
    number: dict[str, Any] = {
        "type": ["string", "number"] if bare else "string",
        "examples": [wanted.example],
    }
    if not bare:
        number["pattern"] = r"^\s*[+]?[0-9.$]"
    value = {
        "type": "object",
        "properties": {
            **{key: {"anyOf": [number, {"type": "array", "items": number}]} for key in ("value", *KINDS)},
            "kind": {"enum": list(KINDS)},
            "spread": {"type": ["string", "number"]},
            **{key: {"type": "string"} for key in ("source", "id", "note", "retrieved")},
        },
        "additionalProperties": False,
    }
    choices = [number, value]
    if directed:
        inner = {"anyOf": [number, value]}
        properties = dict.fromkeys(DIRECTIONS, inner)
        choices.append({"type": "object", "properties": properties, "additionalProperties": False})
    return {"description": f"{wanted.what}, such as {wanted.example}", "anyOf": choices}


@dataclass(frozen=True)
class Reads:
    """Marks a schema field as a quantity of a wanted kind: how it is read, how JSON Schema shows it."""

    wanted: Wanted
    positive: bool = True
    directed: bool = False
    most: float | None = None  # in base units

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return text_schema(self.wanted, self.directed)

    def read(self, data: Any) -> Value | Directed:
        """The value of a field as written."""
        if self.directed:
            return read_directed(data, self.wanted)
        value = read_value(data, self.wanted, positive=self.positive)
        if self.most is not None and value.quantity.value > self.most:
            percent = " (15 is 1500%; write 15% or 0.15)" if self.wanted is units.RATIO else ""
            raise refuse(f"must be at most {self.most:g}, not {value.quantity.text}{percent}")
        return value
