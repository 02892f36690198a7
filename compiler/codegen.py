"""From the physical level to code: one shared object for the host, and each other member's own files.

The host's object holds the host program, the CPU kernels, and one stub per kernel of another member. A stub hands its
descriptors to the runtime, which asks the member's driver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from stratagem.compiler.backends.base import load_backend
from stratagem.compiler.entry import (
    RUNTIME_DECLARATIONS,
    collective_text,
    entry_text,
    instructions_text,
    stub_text,
)
from stratagem.compiler.ir import find_function, functions, local_text, parse_module, symbol_name
from stratagem.compiler.program import Program
from stratagem.hwmodels.instructions import needed_flags
from stratagem.runtime.drivers import DriverKernel
from stratagem.runtime.errors import PassError
from stratagem.runtime.needed_libraries import NeededLibrary

if TYPE_CHECKING:
    from stratagem.hwmodels import System

Progress = Callable[[str, str], None]


@dataclass
class Code:
    """What the code level adds: machine code of the host, the libraries that it calls, files and reports by member."""

    shared_object: bytes
    arena_bytes: int
    kernels: list[DriverKernel] = field(default_factory=list)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)
    libraries: tuple[NeededLibrary, ...] = ()


def generate_code(program: Program, machine: System, progress: Progress | None = None) -> Code:
    """Emits code for every member of a physical-level program.

    Raises PassError, HardwareError or UnsupportedError from the backends.
    """
    from stratagem.compiler.backends.cpu.compile import compile_host, emit_text, link

    tell = progress or (lambda stage, what: None)
    host_device = machine.members[machine.host].device
    code = Code(b"", arena_bytes(program.module))
    texts: list[str] = [RUNTIME_DECLARATIONS, instructions_text(needed_flags(host_device.target))]
    objects: list[Any] = []
    for member, kernels in nested_modules(program.module):
        device = machine.members[member].device
        tell("code", f"{member}: {len(functions(kernels))} kernels")
        backend = load_backend(device.backend)
        emitted = backend.compile_kernels(kernels, device)
        code.reports[member] = emitted.report
        if backend.driver is None:
            objects += emitted.files.values()
            code.libraries += tuple(map(NeededLibrary.from_json, emitted.report.get("libraries", ())))
            continue
        code.files[member] = dict(emitted.files)
        for function in functions(kernels):
            texts.append(stub_text(function, len(code.kernels)))
            code.kernels.append(driver_kernel(function, member))
    tell("code", "host program")
    host = parse_module(local_text_without_members(program.module), program.module.context)
    texts += [collective_text(f) for f in functions(host) if "physical.collective" in f.attributes]
    texts.append(entry_text(find_function(host, "main")))
    objects += [compile_host(host, host_device), emit_text("\n".join(texts), host_device)]
    tell("code", "link")
    code.libraries = tuple(dict.fromkeys(code.libraries))
    code.shared_object = link(objects, libraries=[library.name for library in code.libraries])
    return code


def nested_modules(module: Any) -> list[tuple[str, Any]]:
    """The kernels of each member as a module of their own, in order."""
    found = []
    for op in module.body.operations:
        if op.operation.name == "builtin.module":
            text = local_text(op.operation)
            found.append((symbol_name(op.operation), parse_module(text, module.context)))
    return found


def local_text_without_members(module: Any) -> str:
    """The host's part of a physical module: everything but the members' kernels."""
    parts = [local_text(op.operation) for op in module.body.operations if op.operation.name != "builtin.module"]
    return "module {\n" + "\n".join(parts) + "\n}"


def arena_bytes(module: Any) -> int:
    """The size of the arena that `plan-memory` noted on the host program."""
    main = find_function(module, "main")
    for dictionary in ir.ArrayAttr(main.attributes["arg_attrs"]):
        attributes = ir.DictAttr(dictionary)
        if "physical.arena" in attributes:
            return int(ir.IntegerAttr(attributes["physical.arena"]).value)
    raise PassError("the host program has no arena argument", hint="the physical stage ends with plan-memory")


def driver_kernel(function: Any, member: str) -> DriverKernel:
    """What the runtime needs to turn the kernel's descriptors into arrays."""
    kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    types = tuple(_type_of(t) for t in kind.inputs)
    return DriverKernel(symbol_name(function), member, types, len(kind.results))


def _type_of(kind: Any) -> tuple[str, int]:
    if isinstance(kind, ir.RankedTensorType):
        tensor = ir.RankedTensorType(kind)
        return str(tensor.element_type), tensor.rank
    return str(kind), -1
