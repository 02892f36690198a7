"""What the tests of the near-memory backend share: emitting, building in one folder, running against the reference."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.compiler.backends.upmem.build import Builder
from stratagem.compiler.backends.upmem.compile import compile_kernels
from stratagem.compiler.backends.upmem.driver import Driver
from stratagem.compiler.backends.upmem.report import RunReport
from stratagem.compiler.driver import StageRunner
from stratagem.compiler.interpreter.api import compare, reference_with_bound
from stratagem.compiler.ir import parse_module
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.pipeline import PIPELINE
from stratagem.compiler.program import Program
from stratagem.hwmodels import Device, load_device, load_machine

Array = np.ndarray[Any, Any]
TARGET = "upmem-rank"
NUMPY = {"i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64, "f32": np.float32, "f64": np.float64}


@cache
def device() -> Device:
    return load_device(TARGET)


def changed_device(level: str, **changes: Any) -> Device:
    """The shipped device with other numbers at one level."""
    levels = tuple(replace(one, **changes) if one.name == level else one for one in device().levels)
    return replace(device(), levels=levels)


@cache
def builder() -> Builder:
    return Builder(Path(tempfile.mkdtemp(prefix="upmem-tests-")), strict=True)


def emit(text: str, target: Device | None = None) -> dict[str, bytes]:
    """The files of a module with one kernel."""
    return dict(compile_kernels(parse_module(text), target or device()).files)


def program_text(text: str, target: Device | None = None) -> str:
    """The C of the module's one DPU program."""
    files = emit(text, target)
    return next(content.decode() for name, content in files.items() if name.endswith(".dpu.c"))


def driver(files: dict[str, bytes]) -> Driver:
    return Driver(files, builder=builder())


def random(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    """Small whole numbers for integers, normal numbers for floats."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("f"):
        return rng.normal(size=shape).astype(NUMPY[dtype])
    return rng.integers(-100, 100, shape).astype(NUMPY[dtype])


def run(files: dict[str, bytes], inputs: list[Array], output: Array) -> RunReport:
    """Runs the module's one kernel on the simulator."""
    made = driver(files)
    return made.run(next(iter(made.kernels)), inputs, [output])


def check(text: str, inputs: list[Array], output: Array, target: Device | None = None) -> RunReport:
    """Runs the kernel and compares with the reference interpreter under its derived rounding bound."""
    module = parse_module(text)
    files = dict(compile_kernels(module, target or device()).files)
    name = next(iter(driver(files).kernels))
    [(value, bound)] = reference_with_bound(module, [*inputs, output.copy()], function=name)
    report = run(files, inputs, output)
    verdict = compare(output, value, bound)
    assert verdict, f"{name}: {verdict}"
    return report


def scheduled(text: str) -> Any:
    """A tensor-level program taken to the device level for the shipped rank, as the compiler does it."""
    program = Program(parse_module(text))
    StageRunner(PassContext(load_machine(TARGET))).run(program, PIPELINE, until="device")
    return program.module
