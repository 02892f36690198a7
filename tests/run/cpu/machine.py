"""An AArch64 processor: unicorn, which is QEMU's emulator as a library.

The code works on this process's own memory: an address means the same to both. So arrays and descriptors pass as they
do to code of this machine, and the runtime that it calls is this machine's, on one thread.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import unicorn
from unicorn import arm64_const as arm

from stratagem.runtime.bindings import ExecutionError
from stratagem.runtime.library import find_library

Array = np.ndarray[Any, Any]
CHUNK = 2**21
"""Bytes of memory that the emulator is shown at once, when the code first reaches there."""
STACK_BYTES = 2**23
GATES = 512
CALL, JUMP = 0xD4000001, 0xD61F0200
"""`svc #0`, where the emulator asks us, and `br x16`, to where we then say."""
SUPERVISOR_CALL = 2
"""QEMU's number of the exception that `svc` raises (EXCP_SWI)."""


class Machine:
    """A processor with every instruction that unicorn knows, and the functions that code may call.

    Each function has a gate, two instructions: at the first we act in its place. Calls return to the first gate of all.
    """

    def __init__(self) -> None:
        self._runtime, self._c, self._maths = map(ctypes.CDLL, (str(find_library()), None, "libm.so.6"))
        self._actions: dict[str, Callable[[], None]] = {"return": lambda: None}
        self._gates = np.tile(np.array([CALL, JUMP], np.uint32), GATES)
        self._stack = np.zeros(STACK_BYTES, np.uint8)
        self._blocks: set[tuple[int, int]] = set()
        self._kept: list[Any] = []
        self._emulator: Any = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM, arm.UC_CPU_ARM64_MAX)
        self._emulator.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, self._show_memory)
        self._emulator.hook_add(unicorn.UC_HOOK_INTR, self._serve)
        self._emulator.hook_add(unicorn.UC_HOOK_BLOCK, self._note_block)

    def gate(self, name: str) -> int:
        """The address that stands for a function of the runtime, of the C library or of `math.h`."""
        if name not in self._actions:
            self._actions[name] = self._action(name)
        return int(self._gates.ctypes.data) + 8 * list(self._actions).index(name)

    def call(self, address: int, *arguments: Any) -> None:
        """Runs a function to its end; raises ExecutionError when it stops itself.

        Args:
            arguments: integers, pointers of ctypes, and floats of ctypes, which lie in registers of their own.
        """
        floats = [a for a in arguments if isinstance(a, ctypes.c_float | ctypes.c_double)]
        for number, value in enumerate(floats):
            self._set(f"D{number}", int.from_bytes(bytes(value), "little"))
        words = [a if isinstance(a, int) else a.value or 0 for a in arguments if not any(a is f for f in floats)]
        for number, word in enumerate(words[:8]):
            self._set(f"X{number}", word)
        # The ninth word and what follows lie on the stack, whose end is a multiple of 16.
        spilled = np.array([*words[8:], *[0] * (len(words[8:]) % 2)], np.int64).view(np.uint8)
        self._stack[STACK_BYTES - spilled.size :] = spilled
        self._set("SP", int(self._stack.ctypes.data) + STACK_BYTES - spilled.size)
        self._set("LR", self.gate("return"))
        self._emulator.emu_start(address, self.gate("return"))

    def keep(self, image: Any) -> None:
        """Holds what has code for good: the emulator remembers code by its address, so none may be used twice."""
        self._kept.append(image)

    def executed(self) -> Array:
        """The instructions that were executed since this was last asked, each once."""
        blocks = [np.frombuffer(ctypes.string_at(*block), np.uint32) for block in self._blocks]
        self._blocks.clear()
        return np.unique(np.concatenate([np.zeros(0, np.uint32), *blocks]))

    def _get(self, name: str) -> int:
        return int(self._emulator.reg_read(getattr(arm, f"UC_ARM64_REG_{name}")))

    def _set(self, name: str, value: int) -> None:
        self._emulator.reg_write(getattr(arm, f"UC_ARM64_REG_{name}"), value)

    def _show_memory(self, _emulator: Any, _kind: int, address: int, _size: int, _value: int, _data: Any) -> bool:
        """Maps what lies around an address to the same address; false where this process has no memory."""
        page = ctypes.c_void_p(address & -4096)
        if self._c.mincore(page, ctypes.c_size_t(1), ctypes.byref(ctypes.c_char())) != 0:
            return False
        start = address & -CHUNK
        self._emulator.mem_map_ptr(start, CHUNK, unicorn.UC_PROT_ALL, ctypes.c_void_p(start))
        return True

    def _note_block(self, _emulator: Any, address: int, size: int, _data: Any) -> None:
        self._blocks.add((address, size))

    def _serve(self, _emulator: Any, exception: int, _data: Any) -> None:
        """Acts for the function at whose gate the code is, and goes where it was called from."""
        at = self._get("PC")
        if exception != SUPERVISOR_CALL:
            word = ctypes.c_uint32.from_address(at).value
            raise NotImplementedError(f"the emulated processor has no instruction {word:#010x}")
        self._set("X16", self._get("LR"))
        list(self._actions.values())[(at - int(self._gates.ctypes.data)) // 8]()

    def _action(self, name: str) -> Callable[[], None]:
        if name == "sg_parallel_for":
            return self._run_phase
        if name in ("sg_fail", "sg_assert_failed"):
            return self._fail
        words = name.startswith(("sg_", "mem"))
        library = self._runtime if name.startswith("sg_") else self._c if words else self._maths
        if hasattr(library, name):
            return partial(self._call_with_words if words else self._call_with_floats, getattr(library, name))
        raise NotImplementedError(f"the code calls {name}: teach {__name__} what that does")

    def _call_with_words(self, function: Any) -> None:
        function.restype = ctypes.c_uint64
        self._set("X0", function(*(ctypes.c_uint64(self._get(f"X{number}")) for number in range(8))))

    def _call_with_floats(self, function: Any) -> None:
        """Of two functions of `math.h` whose names differ by an f at the end, that one takes f32."""
        single = function.__name__.endswith("f") and hasattr(self._maths, function.__name__[:-1])
        kind = ctypes.c_float if single else ctypes.c_double
        function.restype = kind
        given = (kind.from_buffer_copy(self._get(f"D{number}").to_bytes(8, "little")) for number in range(3))
        self._set("D0", int.from_bytes(bytes(kind(function(*given))), "little"))

    def _run_phase(self) -> None:
        """All units at once: the phase returns to where the runtime would."""
        units, phase, values = (self._get(name) for name in ("X0", "X1", "X2"))
        for name, value in {"X0": values, "X1": 0, "X2": units, "X16": phase}.items():
            self._set(name, value)

    def _fail(self) -> None:
        """The runtime would leave the code by a jump, which the emulator does not survive."""
        raise ExecutionError(f"the program stopped: {ctypes.string_at(self._get('X0')).decode()}")


@cache
def machine() -> Machine:
    return Machine()
