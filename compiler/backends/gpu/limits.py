"""What one program may use on a device, and whether a compiled function stays inside it."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.compiler.backends.gpu.aot import CompiledFunction
from stratagem.compiler.backends.gpu.cubin import KernelFacts, read_kernels
from stratagem.compiler.backends.gpu.plan import Launch
from stratagem.hwmodels import Device
from stratagem.runtime.errors import ArtifactError, HardwareError

_PARAMETER_BYTES = {
    "i32": 4,
    "fp32": 4,
    "i64": 8,
    "fp64": 8,
    "i1": 1,
    "i8": 1,
    "i16": 2,
    "fp16": 2,
    "bf16": 2,
}
_POINTER_BYTES = 8
_HIDDEN_POINTERS = 2
"""Trailing scratch pointers Triton adds to every kernel, at most; null in ours."""


@dataclass(frozen=True)
class Limits:
    """Of one program (thread block): shared memory in bytes, threads, and 32-bit registers per thread."""

    arch: str
    warp_size: int
    threads: int
    registers: int
    shared: int
    threads_for_peak: int
    """Threads per multiprocessor that hide latencies."""

    @property
    def warps(self) -> int:
        return self.threads // self.warp_size


def limits_of(device: Device) -> Limits:
    """Reads the limits from a device description; HardwareError names what the description lacks."""
    target = device.target
    missing = [k for k in ("arch", "warp-size", "max-threads-per-block", "registers-per-thread") if k not in target]
    scratchpads = [level for level in device.memories() if level.kind == "scratchpad" and level.size]
    if missing or not scratchpads or not device.groups():
        lacks = [f"target.{key}" for key in missing]
        lacks += [] if scratchpads else ["a scratchpad level with a size"]
        lacks += [] if device.groups() else ["a group level"]
        raise HardwareError(
            f"device '{device.name}' cannot be compiled for by the GPU backend: it lacks {', '.join(lacks)}",
            hint="add it to the device file",
        )
    group = device.groups()[-1]
    return Limits(
        arch=str(target["arch"]),
        warp_size=int(target["warp-size"]),
        threads=int(target["max-threads-per-block"]),
        registers=int(target["registers-per-thread"]),
        shared=int(scratchpads[-1].size or 0),
        threads_for_peak=int(group.threads_for_peak or target["max-threads-per-block"]),
    )


def excess(compiled: CompiledFunction, facts: KernelFacts, limits: Limits) -> str:
    """What a compiled function uses beyond the limits, with the numbers; empty when it fits."""
    if compiled.shared > limits.shared:
        return f"{compiled.shared} bytes of shared memory, {limits.shared} are there"
    if compiled.spills:
        return f"{compiled.spills} bytes of register spills at {facts.registers} registers a thread"
    if facts.registers > limits.registers:
        return f"{facts.registers} registers a thread, {limits.registers} are there"
    if compiled.threads > limits.threads:
        return f"{compiled.threads} threads, {limits.threads} are allowed"
    return ""


def checked_facts(compiled: CompiledFunction, launch: Launch) -> KernelFacts:
    """The cubin's own facts, after checking that it takes exactly the parameters the launcher will pack.

    Raises ArtifactError when symbol, block size or parameter layout differ from the plan.
    """
    facts = read_kernels(compiled.cubin).get(compiled.symbol)
    if facts is None:
        raise ArtifactError(f"the cubin of '{launch.function}' holds no kernel '{compiled.symbol}'")
    expected = [_POINTER_BYTES if p.type.startswith("*") else _PARAMETER_BYTES[p.type] for p in launch.parameters]
    sizes = [size for _, size in facts.parameters]
    hidden = sizes[len(expected) :]
    if sizes[: len(expected)] != expected or len(hidden) > _HIDDEN_POINTERS or set(hidden) - {_POINTER_BYTES}:
        raise ArtifactError(f"'{launch.function}' takes parameters of {sizes} bytes, the plan packs {expected}")
    if facts.threads not in (None, (compiled.threads, 1, 1)):
        raise ArtifactError(f"'{launch.function}' requires blocks of {facts.threads}, the plan has {compiled.threads}")
    return facts
