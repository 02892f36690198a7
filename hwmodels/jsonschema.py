"""The schema as JSON Schema, so that editors complete keys and mark mistakes while a file is being written.

Looser than the loader in two places: a `$parameter` may stand for any value, and a file that extends another
may leave out what it inherits. Consistency is checked by the loader alone.
"""

from __future__ import annotations

from typing import Any

NAMES = {
    "device": "DeviceFile",
    "system": "SystemFile",
    "mapping": "MappingFile",
    "calibration": "CalibrationFile",
}
CONTROL = {
    "extends": {"type": "string", "description": "name of the description to inherit from"},
    "params": {"type": "object", "description": "values for $name, by name"},
    "vary": {"type": "object", "description": "lists to sweep $name over, by name"},
}
SCALARS = ("integer", "number", "string", "boolean")
SHORT_FORMS = ("#/$defs/FunctionEntry", "#/$defs/MemberEntry")  # `relu: "Y[i] = max(X[i], 0)"`, `host: NAME`
PARAMETER = {"type": "string", "pattern": r"^\$[A-Za-z_][\w-]*$", "description": "a parameter"}


def json_schema() -> dict[str, Any]:
    """One schema for all file kinds, by the key that names what a document describes."""
    from stratagem.hwmodels.schema.calibration import CalibrationFile
    from stratagem.hwmodels.schema.device import DeviceFile
    from stratagem.hwmodels.schema.system import MappingFile, SystemFile

    definitions: dict[str, Any] = {}
    for record in (DeviceFile, SystemFile, MappingFile, CalibrationFile):
        schema = record.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        definitions[record.__name__] = schema
    for definition in definitions.values():
        loosen(definition)
    for kind, name in NAMES.items():
        definitions[name]["properties"] |= CONTROL
        definitions[name]["required"] = ["hw", kind]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stratagem hardware description, version 1",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in NAMES.values()],
        "$defs": definitions,
    }


def loosen(definition: dict[str, Any]) -> None:
    """Let parameters stand for values, and inherited items be partial (only their name is required)."""
    definition.pop("title", None)
    required = [key for key in definition.get("required", ()) if key == "name"]
    definition.pop("required", None)
    if required:
        definition["required"] = required
        definition["properties"]["remove"] = {"const": True, "description": "take the inherited item out"}
    for key, schema in definition.get("properties", {}).items():
        if "const" not in schema and key != "name":
            definition["properties"][key] = with_parameters(schema)


def with_parameters(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema in which every scalar may also be a parameter, and records with a short form may be text."""
    schema.pop("title", None)
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            schema[inner] = with_parameters(schema[inner])
    if schema.get("$ref") in SHORT_FORMS:
        return {"anyOf": [schema, {"type": "string"}]}
    if any(choice.get("type") in SCALARS for choice in schema.get("anyOf", ())):
        return {**schema, "anyOf": [*map(with_parameters, schema["anyOf"])]}
    if schema.get("type") not in SCALARS and "enum" not in schema:
        return schema
    outside: dict[str, Any] = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    return {**outside, "anyOf": [schema, PARAMETER]}
