"""Quantities as they stand in files: plain text, or a map that also says where the number comes from.

bandwidth: 3.35 TB/s
bandwidth: {value: 5.5 TB/s, kind: measured, spread: 15%}
bandwidth: {datasheet: 450 GB/s, measured: 400 GB/s}       # the most trusted one counts, the others are kept
bandwidth: {in: 6.7 GB/s, out: 4.7 GB/s}                   # per direction
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from stratagem.hwmodels import units
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.trust import KINDS, Provenance
from stratagem.hwmodels.units import Quantity, UnitError, Wanted, read_quantity

DIRECTIONS = ("in", "out", "broadcast")
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


def read_value_map(data: Mapping[str, Any], wanted: Wanted, positive: bool) -> Value:
    """A value map: one number under `value` (with `kind`) or one or more under the names of kinds."""
    for key in data:
        if key not in VALUE_KEYS:
            hint = did_you_mean(key, VALUE_KEYS) or f"keys are {', '.join(VALUE_KEYS)}"
            raise refuse(f"unknown key '{key}' beside a value; {hint}")
    named = {kind: read_number(data[kind], wanted, positive) for kind in KINDS if kind in data}
    if "value" in data and named:
        raise refuse(f"give the number once: under 'value' or under {', '.join(named)}")
    if "value" not in data and not named:
        raise refuse(f"a map in place of a number needs 'value' (or one of {', '.join(KINDS)})")
    if named and "kind" in data:
        raise refuse(f"'kind' goes with 'value'; {', '.join(named)} already says the kind")
    best = next(iter(named), None)
    quantity = named[best] if best else read_number(data["value"], wanted, positive)
    origin = read_origin(data, best, quantity.text)
    return Value(quantity, origin, {kind: other for kind, other in named.items() if kind != best})


def read_origin(data: Mapping[str, Any], kind: str | None, text: str) -> Provenance | None:
    """The provenance in a value map; None when it says nothing about it."""
    stated = kind or data.get("kind")
    if stated is not None and stated not in KINDS:
        raise refuse(f"unknown kind {stated!r}; {did_you_mean(str(stated), KINDS) or 'kinds are ' + ', '.join(KINDS)}")
    spread = read_number(data["spread"], units.RATIO, False).value if "spread" in data else None
    if spread is not None and spread > 1:
        raise refuse(f"a spread is at most 100%, not {data['spread']}")
    identity = str(data.get("id") or data.get("source") or "")
    if stated is None and spread is None and not identity:
        return None
    return Provenance(stated or "", spread, identity, str(data.get("note") or ""), text)


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
            **dict.fromkeys(("value", *KINDS), number),
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

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return text_schema(self.wanted, self.directed)

    def read(self, data: Any) -> Value | Directed:
        """The value of a field as written."""
        if self.directed:
            return read_directed(data, self.wanted)
        return read_value(data, self.wanted, positive=self.positive)
