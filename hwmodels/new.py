"""A new description to start from: a child of a known one, or a full copy of it, with comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stratagem.hwmodels.dump import yaml_text
from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.load import load_device, load_machine, open_target

HEAD = ("hw", "device", "system", "extends", "class", "backend", "source", "note")
EXPLANATION = (
    "# Below is what is inherited. Take the '#' away from a line to change it; what is not mentioned",
    "# stays. 'stratagem hw check' tells what is wrong, 'stratagem hw show' what follows.",
)


def new_text(name: str, like: str, *, copy: bool = False) -> str:
    """YAML text of a description called `name` that starts as `like`, each key with what it means.

    Args:
        copy: write everything out; otherwise extend `like`, and write what is inherited as comments.

    HardwareFileError when `like` is not known or `name` is no name.
    """
    from stratagem.hwmodels.locate import SAFE_NAME

    if not SAFE_NAME.fullmatch(name) or "/" in name:
        message = f"'{name}' is not a name; use letters, digits, '-', '_' or '.'"
        raise HardwareFileError([Problem(Place(name), "", message)])
    kind = open_target(like).kind
    machine = load_device(like) if kind == "device" else load_machine(like)
    document = {**machine.document, kind: name}
    lines = copied(document, kind) if copy else inherited(document, kind, name, like)
    return "\n".join(lines) + "\n"


def copied(document: Mapping[str, Any], kind: str) -> Iterator[str]:
    """Everything written out."""
    for key, value in document.items():
        yield from explained(key, kind)
        yield from entry(key, value)


def inherited(document: Mapping[str, Any], kind: str, name: str, like: str) -> Iterator[str]:
    """A child of another description; what it takes over stands there as comments, numbers with their origin."""
    yield from ("hw: 1", f"{kind}: {name}", f"extends: {like}")
    yield "source: {kind: assumed, spread: 50%, note: fill in where your numbers come from}"
    yield from EXPLANATION
    for key, value in document.items():
        if key not in HEAD:
            yield from explained(key, kind)
            yield from (f"# {line}" for line in entry(key, value))


def entry(key: str, value: Any) -> Iterator[str]:
    """One key as lines of YAML."""
    lines = [line for line in yaml_text([{key: value}]).splitlines() if line.strip()]
    if not isinstance(value, dict | list):  # the writer puts a map of scalars into braces
        lines = "\n".join(lines).removeprefix("{").removesuffix("}").splitlines()
    yield from lines


def explained(key: str, kind: str) -> Iterator[str]:
    """The meaning of a key of the file, as a comment of its own."""
    from stratagem.hwmodels.schema.device import DeviceFile
    from stratagem.hwmodels.schema.system import SystemFile

    record = DeviceFile if kind == "device" else SystemFile
    for field in record.model_fields.values():
        if field.alias == key and field.description:
            yield f"## {field.description}"
