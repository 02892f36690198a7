"""A module of device-form kernels to files: Triton source, cubins, and the launch facts the driver needs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import Any

from stratagem.compiler.backends.gpu.aot import AheadOfTimeCompiler, CompiledFunction, cache_folder
from stratagem.compiler.backends.gpu.cubin import KernelFacts
from stratagem.compiler.backends.gpu.limits import Limits, checked_facts, excess, limits_of
from stratagem.compiler.backends.gpu.pipeline import PASSES
from stratagem.compiler.backends.gpu.plan import KernelPlan, Launch
from stratagem.compiler.backends.gpu.printer.kernel import PrintedKernel, Schedule, print_kernel
from stratagem.compiler.backends.gpu.tuning import next_schedule, schedule_for
from stratagem.compiler.ir import clone_module, functions, run_pipeline
from stratagem.hwmodels import Device
from stratagem.runtime.errors import HardwareError

INDEX = "kernels.json"
"""The file that lists the kernels, their plans and the facts of their functions."""


@dataclass(frozen=True)
class CompiledLaunch:
    """A function that fits the device, and the schedule it was compiled with."""

    compiled: CompiledFunction
    facts: KernelFacts
    schedule: Schedule


def print_kernels(module: Any, device: Device) -> list[PrintedKernel]:
    """The Triton source of every kernel in a module. The module is left as it was.

    Raises UnsupportedError naming the operation that has no Triton form.
    """
    limits = limits_of(device)
    prepared = clone_module(module)
    run_pipeline(prepared, PASSES)
    return [
        print_kernel(f, lambda forall, facts: schedule_for(limits, forall, facts), _precision(f, device))
        for f in functions(prepared)
        if len(f.regions[0].blocks)
    ]


def compile_kernels(module: Any, device: Device) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Files and report for every kernel of the module.

    Raises UnsupportedError for what cannot be expressed, HardwareError with numbers for what does not fit.
    """
    limits = limits_of(device)
    files: dict[str, bytes] = {}
    index: dict[str, Any] = {}
    report: dict[str, Any] = {}
    compiler = AheadOfTimeCompiler(limits.arch, limits.warp_size, cache_folder())
    for printed in print_kernels(module, device):
        started = time.perf_counter()
        launches = [compile_launch(compiler, printed.source, launch, limits) for launch in printed.plan.launches]
        made = {f"{printed.plan.name}.py": printed.source.encode()}
        made.update({f"{launch.compiled.symbol}.cubin": launch.compiled.cubin for launch in launches})
        files.update(made)
        index[printed.plan.name] = {
            "plan": _with_schedules(printed.plan, launches).to_json(),
            "functions": {c.compiled.symbol: c.compiled.facts() for c in launches},
        }
        report[printed.plan.name] = {
            "emitted": list(made),
            "seconds": time.perf_counter() - started,
            "functions": {c.compiled.symbol: _summary(c) for c in launches},
        }
    files[INDEX] = json.dumps({"arch": limits.arch, "kernels": index}, indent=1).encode()
    return files, {"arch": limits.arch, "kernels": report}


def compile_launch(compiler: AheadOfTimeCompiler, source: str, launch: Launch, limits: Limits) -> CompiledLaunch:
    """The first schedule, from the wished one on, whose code fits the device without register spills."""
    wished = Schedule(launch.warps, launch.stages)
    schedule: Schedule | None = wished
    reason = ""
    while schedule is not None:
        compiled = compiler.compile(source, launch, schedule.warps, schedule.stages)
        facts = checked_facts(compiled, launch)
        too_much = excess(compiled, facts, limits)
        if not too_much:
            return CompiledLaunch(compiled, facts, schedule)
        reason = reason or f"{too_much} (with {schedule.warps} warps and {schedule.stages} stages)"
        schedule = next_schedule(schedule, wished, limits, compiled.shared > limits.shared)
    raise HardwareError(
        f"'{launch.function}' does not fit the device: it uses {reason}, and no other schedule fits",
        hint="use smaller tiles",
    )


def _with_schedules(plan: KernelPlan, launches: list[CompiledLaunch]) -> KernelPlan:
    chosen = (
        replace(launch, warps=c.schedule.warps, stages=c.schedule.stages)
        for launch, c in zip(plan.launches, launches, strict=True)
    )
    return replace(plan, launches=tuple(chosen))


def _summary(launch: CompiledLaunch) -> dict[str, Any]:
    return {
        "threads": launch.compiled.threads,
        "stages": launch.schedule.stages,
        "registers": launch.facts.registers,
        "shared_bytes": launch.compiled.shared,
        "code_bytes": launch.facts.code_bytes,
        "matrix_instructions": launch.compiled.matrix_instructions,
    }


def _precision(function: Any, device: Device) -> str:
    """How f32 dots multiply: what the unit that the kernel was given says, IEEE where it says nothing."""
    from torch_mlir import ir

    if "device.kernel" not in function.attributes:
        return "ieee"
    kernel = ir.DictAttr(function.attributes["device.kernel"])
    name = str(ir.StringAttr(kernel["unit"]).value) if "unit" in kernel else ""
    emit = next((unit.emit for unit in device.units if unit.name == name), {})
    return str(emit.get("input-precision", "ieee"))
