"""Machine code in memory, loaded as a library of this process."""

from __future__ import annotations

import ctypes
import itertools
import os
import platform

_numbers = itertools.count(1)
ELF_MACHINES = {62: "x86_64", 183: "aarch64", 243: "riscv64"}
"""`e_machine` of an ELF header (System V ABI) -> the architecture, as `platform.machine()` names it."""


def architecture(code: bytes) -> str:
    """The architecture an ELF object or shared object is for; this machine's where its header names none we know."""
    return ELF_MACHINES.get(int.from_bytes(code[18:20], "little"), platform.machine())


def open_shared_object(code: bytes, name: str = "stratagem-program") -> ctypes.CDLL:
    """Loads a shared object without a file of its own; raises OSError with the loader's reason.

    The loader takes two paths that are spelled alike for one library, and numbers of closed files come again: each
    library gets a spelling of its own.
    """
    handle = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        left = memoryview(code)
        while left:
            left = left[os.write(handle, left) :]
        return ctypes.CDLL(_path(handle, next(_numbers)), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    finally:
        os.close(handle)


def _path(handle: int, number: int) -> str:
    """A path of the open file, spelled differently for every number: its bits as `/` and `/.`."""
    spelling = "".join("/." if bit == "1" else "/" for bit in f"{number:b}")
    return f"/proc/self/fd{spelling}/{handle}"
