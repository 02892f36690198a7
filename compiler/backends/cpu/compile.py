"""From IR to object code: kernels in device form, and host programs on buffers."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from stratagem.compiler.backends.cpu.bufferize import bufferize_kernels
from stratagem.compiler.backends.cpu.copies import lower_copies
from stratagem.compiler.backends.cpu.elementary.expand_math import expand_math
from stratagem.compiler.backends.cpu.library_calls import call_libraries, calls_of
from stratagem.compiler.backends.cpu.linker import link
from stratagem.compiler.backends.cpu.llvm import emit_assembly, emit_object
from stratagem.compiler.backends.cpu.loops.lower_linalg import lower_linalg
from stratagem.compiler.backends.cpu.lower import lower_to_llvm
from stratagem.compiler.backends.cpu.object_code import ObjectCode
from stratagem.compiler.backends.cpu.outline_phases import outline_phases
from stratagem.compiler.backends.cpu.reuse_tiles import reuse_tiles
from stratagem.compiler.backends.cpu.scope_scratch import scope_scratch
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.ir import clone_module, find_function, functions, run_pipeline, symbol_name
from stratagem.hwmodels import Device, LibraryCall
from stratagem.runtime.needed_libraries import NeededLibrary

_INNER = ".kernel"
"""Suffix of a kernel's own function: a kernel called `exp` must not become the C library's."""
KERNELS_FILE = "kernels.o"


def compile_kernels(module: Any, device: Device) -> ObjectCode:
    """One object with `_mlir_ciface_<kernel>(descriptors of inputs, then destinations; scalars by value)` per kernel.

    Args:
        module: functions in device form; it is not changed.
        device: the CPU that will run them.
    """
    target = CpuTarget.of(device)
    names = [symbol_name(f) for f in functions(module)]
    started = time.perf_counter()
    calls = calls_of(module, device)
    text, plans = kernels_to_llvm(module, target, calls)
    lowered = time.perf_counter()
    data = emit_object(text, target)
    report = {
        "kernels": {name: {"emitted": [KERNELS_FILE], "loops": plans[name]} for name in names},
        "lower_seconds": lowered - started,
        "emit_seconds": time.perf_counter() - lowered,
        "bytes": len(data),
    }
    if calls:
        report["libraries"] = [one.to_json() for one in dict.fromkeys(map(NeededLibrary.of, calls.values()))]
    return ObjectCode(data, tuple(f"_mlir_ciface_{name}" for name in names), report)


def kernels_to_llvm(
    module: Any, target: CpuTarget, calls: Mapping[str, LibraryCall] | None = None
) -> tuple[str, dict[str, list[str]]]:
    """LLVM assembly of the kernels, and by kernel how each structured operation was lowered, in program order.

    `calls`: kernels whose product a library does.
    """
    from torch_mlir import ir

    work = clone_module(module)
    reuse_tiles(work)
    bufferize_kernels(work)
    with work.context, ir.Location.unknown():
        for function in functions(work):
            function.attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()
            function.attributes["sym_visibility"] = ir.StringAttr.get("public")
            function.attributes["sym_name"] = ir.StringAttr.get(symbol_name(function) + _INNER)
    bodies = outline_phases(work)
    plans: dict[str, list[str]] = {symbol_name(function): [] for function in functions(module)}
    called = call_libraries(work, calls or {}, _INNER)
    for name, plan in [*called, *lower_linalg(work, target)]:  # a kernel's phases are functions named after it
        plans[name.partition(_INNER)[0]].append(str(plan))
    lower_copies(work)
    scope_scratch(work)
    expand_math(work, target)
    text = lower_to_llvm(work, "sg_scratch_alloc", "sg_scratch_free", bodies)
    return _keep_inner_functions_private(text), plans


def _keep_inner_functions_private(text: str) -> str:
    """Leaves `_mlir_ciface_<kernel>` as a kernel's only visible symbol."""
    suffix = re.escape(_INNER)
    text = re.sub(rf"^define void @([^(\s]+){suffix}\(", rf"define internal void @\1{_INNER}(", text, flags=re.M)
    return re.sub(rf"define internal void @_mlir_ciface_(\S+?){suffix}\(", r"define void @_mlir_ciface_\1(", text)


def compile_host(module: Any, device: Device) -> ObjectCode:
    """One object with the functions of a host program on buffers; `@main` also by MLIR's C interface.

    `memref.alloc` and `memref.dealloc` become the runtime's; declared kernels are called by their C interface.
    Nested modules are ignored; the module is not changed.
    """
    target = CpuTarget.of(device)
    data = emit_object(host_to_llvm(module, target), target, speed=2)
    return ObjectCode(data, ("_mlir_ciface_main",), {"bytes": len(data)})


def host_to_llvm(module: Any, target: CpuTarget) -> str:
    """LLVM assembly of the host program."""
    from torch_mlir import ir

    work = clone_module(module)
    for op in list(work.body.operations):
        if op.operation.name not in ("func.func", "memref.global"):
            op.operation.erase()
    with work.context:
        find_function(work, "main").attributes["llvm.emit_c_interface"] = ir.UnitAttr.get()
    run_pipeline(work, "builtin.module(func.func(convert-linalg-to-loops,scf-forall-to-for))")
    lower_copies(work)
    expand_math(work, target)
    return lower_to_llvm(work, "sg_alloc", "sg_free")


def emit_text(text: str, device: Device) -> ObjectCode:
    """LLVM assembly, as it is, to an object."""
    return ObjectCode(emit_object(text, CpuTarget.of(device), speed=2), ())


__all__ = [
    "ObjectCode",
    "compile_host",
    "compile_kernels",
    "emit_assembly",
    "emit_object",
    "emit_text",
    "link",
]
