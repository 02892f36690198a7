"""A compilation as an artifact file, and back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stratagem.compiler.checks.verdicts import AssuranceReport
from stratagem.compiler.codegen import Code
from stratagem.compiler.compile import Compilation
from stratagem.compiler.driver import PassRecord
from stratagem.compiler.ir import LEVELS, parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import System, load_machine
from stratagem.hwmodels.dump import dump
from stratagem.runtime.container import Container, Writer, first_member_offset, write_container
from stratagem.runtime.drivers import DriverKernel, DriverTable, make_driver
from stratagem.runtime.errors import ArtifactError, UsageError
from stratagem.runtime.needed_libraries import NeededLibrary
from stratagem.runtime.parameters import ParameterStore
from stratagem.runtime.signature import Signature, TensorSpec
from stratagem.runtime.version import VERSION

CODE = "code/model.so"
ENTRY = "code/entry.tsv"
HARDWARE = "hw/system.yaml"
PARAMETERS = "params.safetensors"
BACKENDS = "backends.json"
"""What each member's backend reported of its kernels; the manifest names the file, and digests it like every other."""
BACKENDS_VERSION = 1


def write_artifact(compilation: Compilation, path: Path) -> None:
    """Writes every level's IR, code, parameters, hardware description and reports; all or nothing.

    Raises ResourceError when the disk is full or the folder cannot be written.
    """
    members: dict[str, bytes | Writer] = {PARAMETERS: compilation.parameters.write}
    for level, text in compilation.levels.items():
        members[f"levels/{level}.mlir"] = text.encode()
    members[HARDWARE] = dump(compilation.machine).encode()
    members["report.json"] = json.dumps(compilation.report.to_json(), indent=1).encode()
    if compilation.code is not None:
        members[CODE] = compilation.code.shared_object
        reports = {"version": BACKENDS_VERSION, "members": compilation.code.reports}
        members[BACKENDS] = json.dumps(reports, indent=1).encode()
        members[ENTRY] = entry_table(compilation).encode()
        for member, files in compilation.code.files.items():
            members.update({f"code/{member}/{name}": content for name, content in files.items()})
    write_container(path, members, manifest(compilation))


def read_artifact(container: Container, machine: System) -> Compilation:
    """The compilation behind an artifact; its parameters stay in the file.

    Args:
        machine: the system it was compiled for, loaded.

    Raises ArtifactError.
    """
    found = container.manifest
    parameters = container.members[PARAMETERS]
    return Compilation(
        machine,
        {level: level_text(container, level) for level in found["levels"]},
        Signature.from_json(found["signature"]),
        ParameterStore.load(container.path, parameters.offset, parameters.size),
        found["until"],
        _code_in(container) if found["code"] else None,
        [PassRecord(stage, name, seconds) for stage, name, seconds in found["timings"]],
        found["seconds"],
        AssuranceReport.from_json(json.loads(container.text("report.json"))),
        reused=True,
    )


def _code_in(container: Container) -> Code:
    found = container.manifest
    files: dict[str, dict[str, bytes]] = {}
    for name in container.members:
        folder, _, rest = name.partition("/")
        member, _, file = rest.partition("/")
        if folder == "code" and file:
            files.setdefault(member, {})[file] = container.read(name)
    kernels = [DriverKernel.from_json(entry) for entry in found["kernels"]]
    libraries = tuple(map(NeededLibrary.from_json, found.get("libraries", ())))
    return Code(container.read(CODE), found["arena_bytes"], kernels, files, backend_reports(container), libraries)


def manifest(compilation: Compilation) -> dict[str, Any]:
    """What a loader must know, in JSON."""
    code = compilation.code
    machine = compilation.machine
    return {
        "producer": f"stratagem {VERSION}",
        "target": machine.name,
        "until": compilation.until,
        "ranks": compilation.ranks,
        "levels": list(compilation.levels),
        "signature": compilation.signature.to_json(),
        "code": CODE if code else None,
        "backends": BACKENDS if code else None,
        "arena_bytes": code.arena_bytes if code else 0,
        "kernels": [k.to_json() for k in code.kernels] if code else [],
        "libraries": [library.to_json() for library in code.libraries] if code else [],
        "members": {
            name: {"backend": m.device.backend, "count": m.count, "device": device_facts(m.device)}
            for name, m in machine.members.items()
        },
        "timings": [[r.stage, r.name, round(r.seconds, 4)] for r in compilation.records],
        "seconds": round(compilation.seconds, 3),
    }


def tensor_program(container: Container) -> Program:
    """The program at level `tensor`, in a context of its own; its parameters stay in the file."""
    member = container.members[PARAMETERS]
    parameters = ParameterStore.load(container.path, member.offset, member.size)
    return Program(parse_module(level_text(container, "tensor")), parameters)


def backend_reports(container: Container) -> dict[str, dict[str, Any]]:
    """Member -> what its backend reported (`KernelCode.report`); empty for artifacts without code.

    Raises ArtifactError when another version wrote them.
    """
    name = container.manifest.get("backends")
    if name is None:
        return {}
    found = json.loads(container.text(name))
    if found.get("version") != BACKENDS_VERSION:
        problem = f"{container.path} has reports of version {found.get('version')}, this one reads {BACKENDS_VERSION}"
        raise ArtifactError(problem, hint="compile the model again")
    members: dict[str, dict[str, Any]] = found["members"]
    return members


def machine_of(container: Container) -> System:
    """The system a program was compiled for, as it was then: names and files need not exist any more."""
    with tempfile.TemporaryDirectory(prefix="stratagem-hw-") as folder:
        path = Path(folder) / "system.yaml"
        path.write_bytes(container.read(HARDWARE))
        return load_machine(path)


def device_facts(device: Any) -> dict[str, Any]:
    """The resolved description of a device as plain JSON values, for drivers and reports."""
    return {
        "name": device.name,
        "class": device.kind,
        "backend": device.backend,
        "digest": device.digest,
        "document": _plain(device.document),
    }


def _plain(value: Any) -> Any:
    """Mappings and sequences of a description as JSON values."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def driver_table(compilation: Compilation) -> DriverTable:
    """Drivers for the kernels of other members than the host, from a compilation that was not saved."""
    code = compilation.code
    if code is None or not code.kernels:
        return DriverTable()
    drivers = {}
    for member in {k.member for k in code.kernels}:
        device = compilation.machine.members[member].device
        drivers[member] = make_driver(device.backend, code.files[member], device_facts(device))
    return DriverTable(code.kernels, drivers)


def entry_table(compilation: Compilation) -> str:
    """`code/entry.tsv`: the signature for loaders without a JSON parser, one tab-separated line per tensor.

    Complex tensors stand there as code has them: real numbers with one more dimension, of both parts. Offsets of
    parameters count from the start of the artifact, where the parameters are the first member.
    """
    signature, base = compilation.signature, first_member_offset(PARAMETERS)
    layout = compilation.parameters.layout()
    lines = []
    for kind, specs in (("output", signature.outputs), ("input", signature.inputs)):
        stored = (spec.stored for spec in specs)
        lines += ["\t".join([kind, spec.name, spec.dtype, *_dims(spec)]) for spec in stored]
    for spec in signature.parameters:
        offset, size = layout[spec.name]
        lines.append("\t".join(["param", spec.name, spec.dtype, str(base + offset), str(size), *_dims(spec)]))
    lines.append(f"arena\t{compilation.code.arena_bytes if compilation.code else 0}")
    return "\n".join(lines) + "\n"


def _dims(spec: TensorSpec) -> list[str]:
    return [str(len(spec.shape)), *("?" if n is None else str(n) for n in spec.shape)]


def level_text(container: Container, level: str) -> str:
    """The IR of one level out of an artifact.

    Raises UsageError for a level there is none of, ArtifactError when the artifact was not compiled that far.
    """
    held = container.manifest["levels"]
    if level not in LEVELS:
        raise UsageError(f"there is no level '{level}'", hint=f"{container.path} has {', '.join(held)}")
    if level not in held:
        problem = f"{container.path} was compiled until level '{container.manifest['until']}', it has no '{level}'"
        raise ArtifactError(problem, hint=f"it has {', '.join(held)}")
    return container.text(f"levels/{level}.mlir")
