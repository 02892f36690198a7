"""What kernels of the compiler reach: shares of the peak by problem size, rates of functions, cost of starting one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from stratagem.compiler import knobs
from stratagem.compiler.compile import compile_program
from stratagem.compiler.ir import functions, parse_module, symbol_name
from stratagem.compiler.probe.found import Share
from stratagem.compiler.probe.programs import elementwise, product
from stratagem.compiler.program import Program
from stratagem.hwmodels import Device
from stratagem.hwmodels.assemble import system_of_device
from stratagem.runtime.drivers import DriverTable
from stratagem.runtime.executable import Executable
from stratagem.runtime.parameters import ParameterStore

Array = np.ndarray[Any, Any]
PRODUCTS = ((128,) * 3, (256,) * 3, (512,) * 3, (1024,) * 3, (64, 1024, 1024), (1024, 64, 1024), (999, 777, 333))
"""Rows, columns and depth of the products that are measured."""
MANY = 1 << 19
"""Elements of the array that functions are measured on: much more than a kernel's start, little enough for caches."""


def product_shares(device: Device, unit: str, peak: float, seconds: float) -> Iterator[Share]:
    """Products of two f32 matrices against `peak` op/s, which `unit` reaches."""
    rng = np.random.default_rng(0)
    for m, n, k in PRODUCTS:
        a, b = (rng.normal(size=shape).astype(np.float32) for shape in ((m, k), (k, n)))
        taken = _seconds(product(m, n, k), device, [a, b, np.empty((m, n), np.float32)], seconds)
        yield Share(unit, (m, n, k), 2.0 * m * n * k / taken / peak, taken)


def function_rates(device: Device, seconds: float) -> Iterator[tuple[str, str, float]]:
    """(unit, dtype, op/s) of units that compute exponentials, of all copies together."""
    x = np.random.default_rng(0).normal(size=MANY).astype(np.float32)
    unit = device.unit_for("exp", "f32")
    if unit is not None:
        taken = _seconds(elementwise(MANY, "math.exp %v : f32"), device, [x, np.empty_like(x)], seconds)
        yield unit.name, "f32", MANY / taken


def launch_seconds(device: Device, seconds: float) -> float:
    """Seconds of a kernel that does next to nothing on every unit."""
    count = 4096 * device.groups()[0].count
    x = np.zeros(count, np.float32)
    return _seconds(elementwise(count, "arith.addf %v, %one : f32"), device, [x, np.empty_like(x)], seconds)


def _seconds(program: str, device: Device, arguments: list[Array], seconds: float) -> float:
    """The shortest call of the one kernel that a program becomes; destinations are last among the arguments."""
    with knobs.scope(verify="off"):
        made = compile_program(Program(parse_module(program)), system_of_device(device))
    assert made.code is not None
    name = next(symbol_name(f) for f in functions(parse_module(made.levels["device"])) if symbol_name(f) != "main")
    store, tables = ParameterStore({}), DriverTable()
    code = made.code
    executable = Executable(
        code.shared_object, made.signature, store, code.arena_bytes, tables, libraries=code.libraries
    )
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        best = min(best, executable.time_kernel(name, arguments, 1)[1])
    return best
