"""Loading: from a name, a file or this machine to a `System` or a `Device`.

The parsers (YAML, schema, expressions) are imported with the first description that is read, not with this
module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.model import Calibration, Device, System

if TYPE_CHECKING:
    from stratagem.hwmodels.locate import Document

Parameters = Mapping[str, str | int | float]
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class ModelInfo:
    """One line of `list_models`: what the library has, without loading it fully."""

    name: str
    type: str  # "device" or "system"
    kind: str  # the class of a device; empty for a system
    source: str  # kind of source of the numbers
    note: str = ""


def load_machine(target: str | Path, params: Parameters | None = None) -> System:
    """The system called `target`.

    Args:
        target: "cpu" (this machine, probed), a name of the library, or the path of a YAML file. A file with several
        documents stands for its last system, or its last device when it has no system.
        params: values for the file's `params` and `vary`.

    A bare device becomes a system of that device, beside a generic CPU host unless it is a CPU itself.
    HardwareFileError lists everything that is wrong.
    """
    from stratagem.hwmodels.assemble import device_from, system_from, system_of_device

    document = open_target(target)
    if document.kind == "system":
        return system_from(document, params)
    return system_of_device(device_from(document, params))


def load_device(target: str | Path, params: Parameters | None = None) -> Device:
    """The device called `target`; as `load_machine`, but a system is refused."""
    from stratagem.hwmodels.assemble import device_from

    document = open_target(target, wanted="device")
    return device_from(document, params)


def load_calibration(path: str | Path) -> Calibration:
    """The calibration of a file; HardwareFileError where it does not fit the device it names."""
    from stratagem.hwmodels.calibrate import calibration_from

    return calibration_from(open_target(path, wanted="calibration"))


def load_variants(target: str | Path, params: Parameters | None = None) -> Iterator[tuple[Parameters, System]]:
    """Every combination of the `vary` axes of `target`, with the system each gives."""
    from stratagem.hwmodels.params import assignments
    from stratagem.hwmodels.resolve import resolve

    axes = resolve(open_target(target), dict(params or {})).axes
    for choice in assignments(axes):
        values = {name: value for name, value in choice.items() if value is not None}
        yield values, load_machine(target, {**(params or {}), **values})


def open_target(target: str | Path, wanted: str = "") -> Document:
    """The document a target names: its last system, else its last device, unless another kind is `wanted`."""
    return choose(documents_of(target), wanted)


def kind_of(target: str | Path) -> str:
    """ "system", "device" or "calibration": what `target` stands for. A mapping is refused."""
    documents = documents_of(target)
    kinds = {document.kind for document in documents}
    return "calibration" if kinds == {"calibration"} else choose(documents).kind


def documents_of(target: str | Path) -> tuple[Document, ...]:
    """The documents of the file or name a target is."""
    from stratagem.hwmodels.locate import THIS_MACHINE, find, library_names, read_file

    text = str(target)
    if isinstance(target, Path) or text.endswith(SUFFIXES):
        return read_file(Path(text))
    if text not in (THIS_MACHINE, *library_names()) and Path(text).is_file():
        message = f"'{text}' is a file, but not a hardware description"
        raise HardwareFileError([Problem(Place(text), "", message, f"its name must end in {' or '.join(SUFFIXES)}")])
    return (find(text, None, Place(text), ""),)


def choose(documents: tuple[Document, ...], wanted: str = "") -> Document:
    """The document of a file that is meant: its last system, else its last device."""
    kinds = (wanted,) if wanted else ("system", "device")
    for kind in kinds:
        for document in reversed(documents):
            if document.kind == kind:
                return document
    found = ", ".join(f"{document.kind} '{document.name}'" for document in documents)
    place = documents[-1].root.place
    raise HardwareFileError([Problem(place, "", f"a {' or a '.join(kinds)} is due, and this is {found}")])


def list_models() -> list[ModelInfo]:
    """What the library has."""
    from stratagem.hwmodels.listing import library_models

    return library_models()


def check_file(path: str | Path) -> list[Problem]:
    """Every problem of a file, in order; empty when it loads."""
    from stratagem.hwmodels.assemble import check_documents
    from stratagem.hwmodels.locate import read_file

    try:
        documents = read_file(Path(path))
    except HardwareFileError as error:
        return list(error.problems)
    return check_documents(documents)


def dump_machine(machine: System | Device) -> str:
    """A self-contained YAML text (nothing inherited, no parameters) that loads to an equal machine."""
    from stratagem.hwmodels.dump import dump

    return dump(machine)
