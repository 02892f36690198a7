"""Compiles kernels for this machine, or for one that is emulated, and calls them on numpy arrays, with guard zones
around every buffer."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.backends.cpu.compile import compile_kernels, link
from stratagem.compiler.ir import parse_module
from stratagem.hwmodels import Device, Level, Unit
from stratagem.runtime.bindings import Runtime, load_runtime
from stratagem.runtime.descriptors import fill, words
from stratagem.runtime.errors import ResourceError
from stratagem.runtime.shared_object import architecture, open_shared_object

Array = np.ndarray[Any, Any]
PROCESSOR: Mapping[str, Any] = {"cpu": "native"}
"""The `target` facts of what this process runs code on; tests for an emulated processor set its own."""
GUARD = 64
"""Elements before and after each buffer that a kernel must leave alone."""


@cache
def runtime() -> Runtime:
    """The C++ runtime, or a skip that says how to build it."""
    try:
        return load_runtime()
    except ResourceError as error:
        pytest.skip(str(error))


def this_machine(vector_bytes: int = 64, registers: int = 32) -> Device:
    """A device that runs here, described with any register file: wider vectors than the machine's are split."""
    levels = (
        Level("dram", "memory"),
        Level("core", "group", count=2),
        Level("l2", "cache", size=2**20),
        Level("l1", "cache", size=2**15),
        Level("vreg", "register", size=registers * vector_bytes, granule=vector_bytes),
    )
    fma = Unit("fma", "vreg", functions=("matmul",), lanes={"f32": vector_bytes // 4}, rate={"f32": 1e9})
    return Device("test", "cpu", "cpu", 1e9, levels, (fma,), target=dict(PROCESSOR))


def load(objects: Sequence[Any]) -> Any:
    """The linked objects as a library of this process, or one like it that an emulator runs."""
    runtime()
    code = link(objects)
    if architecture(code) == platform.machine():
        return open_shared_object(code)
    from tests.run.cpu.emulated import Library

    return Library(code)


class Kernels:
    """Compiled kernels of one module."""

    def __init__(self, text: str, device: Device | None = None) -> None:
        self.code = compile_kernels(parse_module(text), device or this_machine())
        self._library = load([self.code])

    def call(self, name: str, *arguments: Array | int) -> None:
        """Runs a kernel; arrays are C-contiguous and written in place where they are destinations."""
        blocks = []
        values: list[Any] = []
        for argument in arguments:
            if isinstance(argument, int):
                values.append(ctypes.c_int64(argument))
                continue
            block = np.zeros(words(argument.ndim), np.int64)
            fill(block, argument)
            blocks.append(block)
            values.append(ctypes.c_void_p(block.ctypes.data))
        function = getattr(self._library, f"_mlir_ciface_{name}")
        function.restype = None
        function(*values)

    def guarded(self, name: str, *arguments: Array | int, outputs: int = 1) -> list[Array]:
        """Runs a kernel on copies between guard zones; returns the destinations (the last arguments).

        Raises AssertionError when the kernel wrote outside a destination or into an input.
        """
        inside = [_Guarded(a) if isinstance(a, np.ndarray) else None for a in arguments]
        given = [g.view if g else a for g, a in zip(inside, arguments, strict=True)]
        self.call(name, *given)
        for i, (guard, original) in enumerate(zip(inside, arguments, strict=True)):
            if guard and isinstance(original, np.ndarray):
                assert guard.is_intact(), f"argument {i} of {name}: memory around it was written"
                if i < len(arguments) - outputs:
                    assert guard.view.tobytes() == original.tobytes(), f"input {i} of {name} was written"
        return [g.view.copy() for g in inside[len(arguments) - outputs :] if g]


class _Guarded:
    """A copy of an array inside a larger block of a known pattern."""

    def __init__(self, array: Array) -> None:
        self._bytes = GUARD * array.itemsize
        self._block = np.full(2 * self._bytes + array.nbytes + 64, 0xA5, np.uint8)
        start = self._bytes + (-self._block.ctypes.data - self._bytes) % array.itemsize
        self._start, self._end = start, start + array.nbytes
        self.view: Array = self._block[start : self._end].view(array.dtype).reshape(array.shape)
        self.view[...] = array

    def is_intact(self) -> bool:
        before, after = self._block[: self._start], self._block[self._end :]
        return bool((before == 0xA5).all() and (after == 0xA5).all())
