"""What the tests of the GPU backend share: printing kernels, random arguments, derived tolerances."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.compile import print_kernels
from stratagem.compiler.backends.gpu.interpreter import CheckedInterpreter, InterpretedRun
from stratagem.compiler.backends.gpu.plan import KernelPlan
from stratagem.compiler.backends.gpu.printer.kernel import PrintedKernel
from stratagem.compiler.interpreter.api import compare, reference_with_bound
from stratagem.compiler.ir import parse_module
from stratagem.hwmodels import Device, load_device
from stratagem.runtime.signature import NUMPY_TYPES

Array = np.ndarray[Any, Any]

ROUNDING = {"f32": 0.0, "f16": 2.0**-11, "bf16": 2.0**-8}
"""Relative error of rounding an f32 to the type (its unit roundoff)."""

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="Triton is not installed: pip install stratagem[gpu] to run the tests of the GPU backend",
)


@lru_cache
def device(arch: str = "sm_90") -> Device:
    """The shipped H100 model, with another architecture when asked."""
    model = load_device("h100")
    return replace(model, target={**model.target, "arch": arch})


def printed(text: str) -> PrintedKernel:
    """The Triton source of the one kernel in a module."""
    return print_kernels(parse_module(text), device())[0]


def arguments(plan: KernelPlan, dynamic: int, seed: int = 0) -> list[Array]:
    """Random inputs and poisoned destinations of a kernel; dynamic extents get `dynamic`."""
    random = np.random.default_rng(seed)
    arrays: list[Array] = []
    for argument in plan.arguments:
        shape = tuple(dynamic if n is None else n for n in argument.shape or ())
        kind = NUMPY_TYPES[argument.dtype]
        values = np.full(shape, np.nan) if argument.role == "dest" else random.standard_normal(shape)
        arrays.append(values.astype(kind))
    return arrays


def check_run(
    interpreter: CheckedInterpreter,
    build: Callable[[str], str],
    dtype: str,
    dynamic: int = 0,
    *,
    seed: int = 0,
    inner: float = 0.0,
) -> InterpretedRun:
    """Interprets the kernel `build(dtype)` and compares its destinations with the reference.

    The tolerance is derived: the bound of the same kernel in f32, plus one rounding to a 16-bit result, for
    kernels compute in f32 and round once. A kernel that also rounds inside says what one rounding there can
    change in a result (`inner`, times the unit roundoff).
    """
    kernel = printed(build(dtype))
    arrays = arguments(kernel.plan, dynamic, seed)
    wide = [np.nan_to_num(a.astype(np.float32)) for a in arrays]
    expected = reference_with_bound(parse_module(build("f32")), wide, function=kernel.plan.name)
    run = interpreter.run(kernel.source, kernel.plan, arrays, seed=seed)
    results = [a for a, d in zip(arrays, kernel.plan.arguments, strict=True) if d.role == "dest"]
    for actual, (value, bound) in zip(results, expected, strict=True):
        verdict = compare(actual, value, bound + ROUNDING[dtype] * (np.abs(value) + bound + inner))
        assert verdict, f"{kernel.plan.name} {dtype}, dynamic extent {dynamic}: {verdict}"
    return run
