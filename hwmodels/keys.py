"""Every key of the schema as Markdown tables, for the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stratagem.hwmodels.jsonschema import CONTROL, NAMES, json_schema


def key_tables() -> str:
    """One table per record, file kinds first, each record after the one that first uses it."""
    definitions = json_schema()["$defs"]
    return "\n".join(line for record in order(definitions) for line in table(record, definitions[record]))


def order(definitions: dict[str, Any]) -> list[str]:
    """Records from the file kinds down, each once."""
    found: list[str] = []
    waiting = list(NAMES.values())
    while waiting:
        record = waiting.pop(0)
        if record in found:
            continue
        found.append(record)
        waiting = list(references(definitions[record])) + waiting
    return found


def references(schema: Any) -> Iterator[str]:
    """Names of the records a schema refers to, in order."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rsplit("/", 1)[-1]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def table(record: str, definition: dict[str, Any]) -> Iterator[str]:
    """One record: key, what it takes, what it means."""
    yield f"\n#### {title(record)}\n"
    yield f"{definition.get('description', '')}\n"
    yield "| key | takes | meaning |"
    yield "|---|---|---|"
    for key, schema in definition["properties"].items():
        if key not in (*CONTROL, "remove"):
            meaning = "" if is_quantity(schema) else schema.get("description", "")
            yield f"| `{key}` | {taken(schema)} | {meaning} |"


def title(record: str) -> str:
    """`LevelEntry` as `level`, `DeviceFile` as `device file`."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", record.removesuffix("Entry")).lower()


def is_quantity(schema: dict[str, Any]) -> bool:
    """Whether a schema is that of a quantity, whose description is its kind."""
    return ", such as " in str(schema.get("description", ""))


def taken(schema: dict[str, Any]) -> str:
    """What may be written, in a few words."""
    if is_quantity(schema):
        return str(schema["description"])
    if "$ref" in schema:
        return title(schema["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in schema:
        choices = [taken(choice) for choice in schema["anyOf"] if choice.get("type") != "null"]
        kept = [choice for choice in dict.fromkeys(choices) if choice != "`$parameter`"]
        return " or ".join(kept)
    if schema.get("description") == "a parameter":
        return "`$parameter`"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {taken(schema['items'])}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"map to {taken(inner)}" if isinstance(inner, dict) and inner else "map"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    return words.get(str(schema.get("type")), "anything")
