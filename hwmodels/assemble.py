"""Documents to devices and systems: resolve, check against the schema, build, check for consistency."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from stratagem.hwmodels.build import build_device
from stratagem.hwmodels.checks.device import device_problems
from stratagem.hwmodels.digest import system_digest
from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.locate import LIBRARY, Document, find
from stratagem.hwmodels.model import Device, Member, System
from stratagem.hwmodels.nodes import Node, Scalar, read_documents
from stratagem.hwmodels.resolve import resolve
from stratagem.hwmodels.schema.device import DeviceFile
from stratagem.hwmodels.schema.validate import validate

Parameters = Mapping[str, str | int | float] | None
HOST, DEVICE = "host", "device"  # member names of a system made from a bare device


def device_from(document: Document, params: Parameters = None) -> Device:
    """The device of a document."""
    if document.kind != "device":
        message = f"'{document.name}' is a {document.kind}, and a device is due"
        raise HardwareFileError([Problem(document.root.place, document.kind, message)])
    return device_of(resolve(document, dict(params or {})).root)


def device_of(root: Node) -> Device:
    """The device of a resolved tree; HardwareFileError lists every problem."""
    record, problems = validate(DeviceFile, root)
    if record is None:
        raise HardwareFileError(problems)
    device = build_device(record, root)
    problems += device_problems(device, root)
    if problems:
        raise HardwareFileError(problems)
    return device


def system_from(document: Document, params: Parameters = None) -> System:
    """The system of a document, its members' devices loaded with it."""
    from stratagem.hwmodels.build_system import build_system
    from stratagem.hwmodels.checks.system import system_problems
    from stratagem.hwmodels.schema.system import SystemFile

    root = resolve(document, dict(params or {})).root
    record, problems = validate(SystemFile, root)
    if record is None:
        raise HardwareFileError(problems)
    devices: dict[str, Device] = {}
    unusable: list[Problem] = []
    for name, member in record.members.items():
        place = root.at(("members", name, "device")).place
        try:
            devices[name] = device_from(find(member.device, document, place, f"members.{name}.device"))
        except HardwareFileError as error:
            unusable += error.problems
    if unusable:
        raise HardwareFileError([*problems, *unusable])
    system = build_system(record, root, devices)
    problems += system_problems(system, root)
    if problems:
        raise HardwareFileError(problems)
    return system


def system_of_device(device: Device) -> System:
    """A system of one device; a device that is no CPU gets a generic CPU beside it as host."""
    if device.backend == "cpu":
        members = {HOST: Member(HOST, device)}
    else:
        members = {HOST: Member(HOST, default_host()), DEVICE: Member(DEVICE, device)}
    system = System(device.name, members, HOST, source=device.source)
    return replace(system, digest=system_digest(system))


@lru_cache(maxsize=1)
def default_host() -> Device:
    """The generic CPU of this machine's architecture, as `library/hosts.yaml` has it."""
    path = LIBRARY / "hosts.yaml"
    table = read_documents(path.read_text(encoding="utf-8"), str(path))[0].plain()
    name = str(table.get(platform.machine(), table["default"]))
    return device_from(find(name, None, Place(str(path)), ""))


def check_documents(documents: tuple[Document, ...]) -> list[Problem]:
    """Every problem of all documents of a file."""
    problems: list[Problem] = []
    for document in documents:
        try:
            check_document(document)
        except HardwareFileError as error:
            problems += error.problems
    return sorted(set(problems))


def check_document(document: Document) -> None:
    """HardwareFileError with every problem; a file that varies is looked at with every value of each axis."""
    from stratagem.hwmodels.calibrate import calibration_from

    if document.kind == "mapping":
        check_mapping(document)
    elif document.kind == "calibration":
        calibration_from(document)
    else:
        build = device_from if document.kind == "device" else system_from
        build(document)
        problems: list[Problem] = []
        for axis, values in resolve(document).axes.items():
            problems += [found for value in values[1:] for found in variant_problems(document, build, {axis: value})]
        if problems:
            raise HardwareFileError(problems)


def variant_problems(document: Document, build: Callable[..., object], choice: dict[str, Scalar]) -> list[Problem]:
    """The problems of one variant, each with the value that makes it."""
    try:
        build(document, choice)
    except HardwareFileError as error:
        said = ", ".join(f"{axis} {value}" for axis, value in choice.items())
        return [replace(problem, message=f"with {said}: {problem.message}") for problem in error.problems]
    return []


def check_mapping(document: Document) -> None:
    """HardwareFileError with every problem of a mapping."""
    from stratagem.hwmodels.checks.mapping import mapping_problems
    from stratagem.hwmodels.checks.source import source_problems
    from stratagem.hwmodels.schema.system import MappingFile

    root = resolve(document).root
    record, problems = validate(MappingFile, root)
    if record is None:
        raise HardwareFileError(problems)
    system = system_from(find(record.system, document, root.at(("system",)).place, "system"))
    problems += [*mapping_problems(record, root, system), *source_problems(root)]
    if problems:
        raise HardwareFileError(problems)
