"""LLVM assembly to object files, for any processor that llvmlite's LLVM knows."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from stratagem.compiler.backends.cpu.literals import rewrite_float_literals
from stratagem.compiler.backends.cpu.narrow_floats import with_conversions
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.runtime.errors import HardwareError, PassError

_LOCK = threading.Lock()  # LLVM's global context is shared by all threads


def emit_object(text: str, target: CpuTarget, speed: int = 3) -> bytes:
    """Optimises a module and encodes it as a relocatable object.

    Args:
        text: LLVM assembly as MLIR's translation prints it.
        speed: 0 to 3, as in `-O`.

    Raises:
        HardwareError: LLVM has no such target. PassError: the text is not valid for this LLVM.
    """
    with _LOCK:
        module, machine = _optimised(text, target, speed)
        return bytes(machine.emit_object(module))


def emit_assembly(text: str, target: CpuTarget, speed: int = 3) -> str:
    """Like `emit_object`, as the target's assembly."""
    with _LOCK:
        module, machine = _optimised(text, target, speed)
        return str(machine.emit_assembly(module))


def _optimised(text: str, target: CpuTarget, speed: int) -> tuple[Any, Any]:
    llvm = _llvm()
    machine = _machine(target, speed)
    try:
        module = llvm.parse_assembly(rewrite_float_literals(with_conversions(text)))
    except RuntimeError as error:
        raise PassError(f"the code generator refuses the translated module: {str(error).strip()}") from None
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=speed)
    # llvmlite's own defaults leave the vectorisers off.
    options.loop_vectorization = speed >= 2
    # Of scattered bf16 it makes masked loads of vectors that the x86 code generator (LLVM 22) ends the process on.
    options.slp_vectorization = speed >= 2 and "bfloat" not in text
    options.loop_interleaving = options.loop_unrolling = speed >= 1
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module, machine


_SCALING = """
declare {kind} @llvm.ldexp.{name}({kind}, {whole})
define {kind} @scaled({kind} %x, {whole} %n) {{
  %y = call {kind} @llvm.ldexp.{name}({kind} %x, {whole} %n)
  ret {kind} %y
}}
"""


@cache
def has_power_of_two_scaling(target: CpuTarget, lanes: int) -> bool:
    """Whether the processor multiplies `lanes` f32 (0: a scalar) by powers of two with an instruction of its own: the
    code generator, asked to do it, calls nothing."""
    kind, whole = (f"<{lanes} x float>", f"<{lanes} x i32>") if lanes else ("float", "i32")
    text = _SCALING.format(kind=kind, whole=whole, name=ldexp_suffix(lanes))
    return "ldexpf" not in emit_assembly(text, target)


def ldexp_suffix(lanes: int) -> str:
    """What LLVM appends to `llvm.ldexp.` for this many f32 (0: a scalar)."""
    return f"v{lanes}f32.v{lanes}i32" if lanes else "f32.i32"


def _machine(target: CpuTarget, speed: int) -> Any:
    llvm = _llvm()
    triple = target.triple or llvm.get_process_triple()
    cpu = llvm.get_host_cpu_name() if target.cpu == "native" else target.cpu
    try:
        found = llvm.Target.from_triple(triple)
    except RuntimeError as error:
        hint = "correct `target.triple` in the hardware description"
        raise HardwareError(f"no code generator for triple '{triple}': {str(error).strip()}", hint=hint) from None
    features = host_features() if target.cpu == "native" and not target.features else target.features
    return found.create_target_machine(cpu=cpu, features=features, opt=speed, reloc="pic", codemodel="default")


def host_features() -> str:
    """This processor's features in LLVM's spelling, those that the system lets programs use."""
    return str(_llvm().get_host_cpu_features().flatten())


@cache
def _llvm() -> Any:
    from llvmlite import binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    binding.initialize_native_asmparser()
    return binding
