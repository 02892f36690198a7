"""The C++ runtime from Python: the functions of `include/stratagem/runtime.h` that running a program needs."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from stratagem.runtime.errors import ArtifactError, StratagemError, UsageError
from stratagem.runtime.library import find_library

ABI_VERSION = 2

_DRIVER = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int64
)


class ExecutionError(StratagemError):
    """A compiled program stopped itself: a failed assertion of the model, or no memory left."""

    exit_code = 10


class Runtime:
    """The loaded library. Symbols are global, so that programs resolve theirs against it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(find_library()), mode=ctypes.RTLD_GLOBAL)
        found = int(self._library.sg_abi_version())
        if found != ABI_VERSION:
            raise ArtifactError(f"the runtime has interface version {found}, this package needs {ABI_VERSION}")
        self._declare()

    def _declare(self) -> None:
        library = self._library
        library.sg_call_returning.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        library.sg_held_bytes.restype = ctypes.c_size_t
        library.sg_error.restype = ctypes.c_char_p
        library.sg_free.argtypes = [ctypes.c_void_p]
        library.sg_set_driver.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        library.sg_context_create.restype = ctypes.c_void_p
        library.sg_context_use.argtypes = [ctypes.c_void_p]
        library.sg_context_use.restype = ctypes.c_void_p
        library.sg_context_destroy.argtypes = [ctypes.c_void_p]
        library.sg_set_threads.argtypes = [ctypes.c_int]
        library.sg_local_group_create.argtypes = [ctypes.c_int64]
        library.sg_local_group_create.restype = ctypes.c_void_p
        library.sg_local_group_destroy.argtypes = [ctypes.c_void_p]
        library.sg_local_group_abort.argtypes = [ctypes.c_void_p]
        library.sg_local_group_join.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        library.sg_set_collectives.argtypes = [ctypes.c_int64, ctypes.c_void_p]

    @property
    def functions(self) -> Any:
        """The raw C functions, for parts that need more than this class offers."""
        return self._library

    def call(self, entry: int, arguments: int, results: ctypes.Array[ctypes.c_void_p] | None = None) -> None:
        """Runs `entry(arguments)`; raises ExecutionError with the message when the program fails.

        `results`: addresses of the descriptors of buffers that the entry returns. Their memory is the caller's, to be
        given to `free`; whatever else the run took and did not give back is given back here. Without it, all of that is
        the caller's.
        """
        count = -1 if results is None else len(results)
        if self._library.sg_call_returning(entry, arguments, results, count):
            message = (self._library.sg_error() or b"").decode(errors="replace")
            raise ExecutionError(f"the program stopped: {message}")

    def free(self, pointer: int) -> None:
        self._library.sg_free(pointer)

    def held_bytes(self) -> int:
        """Bytes of blocks that the runtime holds, in use or kept for the next run."""
        return int(self._library.sg_held_bytes())

    def set_threads(self, count: int) -> None:
        """Threads of the pool, the caller included; 0 means one per processor this process may use."""
        self._library.sg_set_threads(count)

    @contextmanager
    def driver(self, serve: Callable[[int, Any, int], bool]) -> Iterator[None]:
        """Sends launches of other members' kernels to `serve(kernel, descriptors, count) -> success`."""

        def callback(_user: int, kernel: int, pointers: Any, count: int) -> int:
            return 0 if serve(kernel, pointers, count) else 1

        function = _DRIVER(callback)
        self._library.sg_set_driver(ctypes.cast(function, ctypes.c_void_p), None)
        try:
            yield
        finally:
            self._library.sg_set_driver(None, None)


@cache
def load_runtime() -> Runtime:
    """The one runtime of this process, with $STRATAGEM_THREADS threads where that is set.

    Raises ResourceError when its library cannot be found, UsageError when that is no number.
    """
    runtime, threads = Runtime(), os.environ.get("STRATAGEM_THREADS", "0")
    if not threads.isdigit():
        raise UsageError(f"STRATAGEM_THREADS={threads!r} is not a whole number", hint="for example STRATAGEM_THREADS=1")
    runtime.set_threads(int(threads))
    return runtime
