"""Libraries and programs for AArch64 that an emulator runs, used as those of this machine are."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any
from unittest import mock

from stratagem.runtime.bindings import Runtime
from stratagem.runtime.executable import Executable, load_executable
from tests.run.cpu.elf import Image
from tests.run.cpu.machine import machine


class Function(ctypes.c_void_p):
    """A function of a library: its address, and callable with integers, pointers and floats of ctypes."""

    restype: Any = None

    def __call__(self, *arguments: Any) -> None:
        machine().call(self.value or 0, *arguments)


class Library:
    """A shared object for AArch64, with its functions as attributes, as `ctypes.CDLL` has them."""

    def __init__(self, code: bytes, libraries: Any = ()) -> None:
        assert not libraries, "the emulated processor has no libraries"
        self._image = Image(code, machine().gate)
        machine().keep(self._image)

    def __getattr__(self, name: str) -> Function:
        if name not in self._image.symbols:
            raise AttributeError(f"the library has no function {name}")
        return Function(self._image.symbols[name])


class EmulatedRuntime(Runtime):
    """This machine's runtime, for programs that the emulator runs."""

    def call(self, entry: int, arguments: int, results: Any = None) -> None:
        machine().call(entry, arguments)


def load_emulated(artifact: Path) -> Executable:
    """The artifact's program; calling it runs its code in the emulator."""
    with mock.patch("stratagem.runtime.executable._open_shared_object", Library):
        executable = load_executable(artifact)
    executable._runtime = EmulatedRuntime()
    return executable
