"""The CUDA driver by ctypes: primary context, modules, memory, launches. Needs `libcuda` and nothing else of
CUDA.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.runtime.errors import ResourceError

LIBRARY = "libcuda.so.1"

_COMPUTE_MAJOR, _COMPUTE_MINOR = 75, 76
_MAX_DYNAMIC_SHARED = 8
_SHARED_WITHOUT_ASKING = 48 * 1024
"""Dynamic shared memory a kernel may use without asking for more (CUDA programming guide)."""

Array = np.ndarray[Any, Any]
Value = tuple[str, int | float]
"""A parameter in Triton's signature type; pointers (`*...`) hold a device address."""

_PACKED: dict[str, Any] = {
    "i1": c.c_int8,
    "i8": c.c_int8,
    "i16": c.c_int16,
    "i32": c.c_int32,
    "i64": c.c_int64,
    "fp32": c.c_float,
    "fp64": c.c_double,
}

_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c.c_uint,),
    "cuDeviceGetCount": (c.POINTER(c.c_int),),
    "cuDeviceGet": (c.POINTER(c.c_int), c.c_int),
    "cuDeviceGetName": (c.c_char_p, c.c_int, c.c_int),
    "cuDeviceGetAttribute": (c.POINTER(c.c_int), c.c_int, c.c_int),
    "cuDevicePrimaryCtxRetain": (c.POINTER(c.c_void_p), c.c_int),
    "cuDevicePrimaryCtxRelease_v2": (c.c_int,),
    "cuCtxSetCurrent": (c.c_void_p,),
    "cuCtxSynchronize": (),
    "cuMemAlloc_v2": (c.POINTER(c.c_uint64), c.c_size_t),
    "cuMemFree_v2": (c.c_uint64,),
    "cuMemAllocHost_v2": (c.POINTER(c.c_void_p), c.c_size_t),
    "cuMemFreeHost": (c.c_void_p,),
    "cuMemcpyHtoD_v2": (c.c_uint64, c.c_void_p, c.c_size_t),
    "cuMemcpyDtoH_v2": (c.c_void_p, c.c_uint64, c.c_size_t),
    "cuModuleLoadData": (c.POINTER(c.c_void_p), c.c_char_p),
    "cuModuleUnload": (c.c_void_p,),
    "cuModuleGetFunction": (c.POINTER(c.c_void_p), c.c_void_p, c.c_char_p),
    "cuFuncSetAttribute": (c.c_void_p, c.c_int, c.c_int),
    "cuLaunchKernel": (
        c.c_void_p,
        *(c.c_uint,) * 7,
        c.c_void_p,
        c.POINTER(c.c_void_p),
        c.POINTER(c.c_void_p),
    ),
    "cuEventCreate": (c.POINTER(c.c_void_p), c.c_uint),
    "cuEventRecord": (c.c_void_p, c.c_void_p),
    "cuEventSynchronize": (c.c_void_p,),
    "cuEventElapsedTime": (c.POINTER(c.c_float), c.c_void_p, c.c_void_p),
    "cuEventDestroy_v2": (c.c_void_p,),
    "cuGetErrorString": (c.c_int, c.POINTER(c.c_char_p)),
}


@dataclass(frozen=True)
class LoadedFunction:
    """A kernel ready to launch. `hidden` counts trailing pointers that stay null."""

    handle: int
    threads: int
    shared: int
    hidden: int


def count_devices(library: str = LIBRARY) -> int:
    """CUDA devices here; 0 without a driver, or with one that lacks what is called here."""
    return _counted(library)[0]


def lacking(library: str = LIBRARY) -> str:
    """What is missing here for a CUDA device; empty where there is one."""
    return _counted(library)[1]


def _counted(library: str) -> tuple[int, str]:
    try:
        driver = _load(library)
    except OSError as error:
        return 0, f"no CUDA driver ({error})"
    except AttributeError as error:
        return 0, f"a CUDA driver that is too old ({error})"
    count = c.c_int()
    code = driver.cuInit(0) or driver.cuDeviceGetCount(c.byref(count))
    if code:
        return 0, f"a CUDA driver that finds no device (error {code})"
    return count.value, "" if count.value else "a CUDA driver, but no device"


def _load(library: str) -> Any:
    driver = c.CDLL(library)
    for name, types in _SIGNATURES.items():
        getattr(driver, name).argtypes = types
    return driver


class CudaDevice:
    """One device with its primary context. Everything runs on the default stream, in order.

    Raises ResourceError with the driver's own message when a call fails.
    """

    def __init__(self, ordinal: int = 0, library: str = LIBRARY) -> None:
        try:
            self._driver = _load(library)
        except OSError as error:
            raise ResourceError(f"no CUDA driver: {error}", hint="install NVIDIA's driver") from None
        self._call("cuInit", 0)
        handle = c.c_int()
        self._call("cuDeviceGet", c.byref(handle), ordinal)
        self._device = handle.value
        context = c.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", c.byref(context), self._device)
        self._context = context
        self.make_current()
        name = c.create_string_buffer(256)
        self._call("cuDeviceGetName", name, len(name), self._device)
        self.name = name.value.decode()
        self.capability = 10 * self.attribute(_COMPUTE_MAJOR) + self.attribute(_COMPUTE_MINOR)

    def attribute(self, number: int) -> int:
        """A device attribute by its number in the driver API."""
        value = c.c_int()
        self._call("cuDeviceGetAttribute", c.byref(value), number, self._device)
        return value.value

    def make_current(self) -> None:
        """Binds the context to the calling thread; launches may come from any."""
        self._call("cuCtxSetCurrent", self._context)

    def close(self) -> None:
        """Releases the primary context."""
        self._call("cuDevicePrimaryCtxRelease_v2", self._device)

    def allocate(self, nbytes: int) -> int:
        """The address of new device memory, aligned to at least 256 bytes."""
        address = c.c_uint64()
        self._call("cuMemAlloc_v2", c.byref(address), max(nbytes, 1))
        return address.value

    def free(self, address: int) -> None:
        self._call("cuMemFree_v2", address)

    def pinned(self, nbytes: int) -> Array:
        """Memory of the host that the device reaches by itself, for `unpin` to give back."""
        address = c.c_void_p()
        self._call("cuMemAllocHost_v2", c.byref(address), nbytes)
        assert address.value is not None
        return np.ctypeslib.as_array((c.c_uint8 * nbytes).from_address(address.value))

    def unpin(self, array: Array) -> None:
        """Gives `pinned` memory back; the array must not be used any more."""
        self._call("cuMemFreeHost", array.ctypes.data)

    def upload(self, address: int, array: Array) -> None:
        """Copies a C-contiguous array to the device."""
        if array.nbytes:
            self._call("cuMemcpyHtoD_v2", address, array.ctypes.data, array.nbytes)

    def download(self, array: Array, address: int) -> None:
        """Copies device memory into a C-contiguous array, after all launches before it."""
        if array.nbytes:
            self._call("cuMemcpyDtoH_v2", array.ctypes.data, address, array.nbytes)

    def load(self, cubin: bytes, symbol: str, threads: int, shared: int, hidden: int) -> LoadedFunction:
        """Loads one kernel of a cubin."""
        module, function = c.c_void_p(), c.c_void_p()
        self._call("cuModuleLoadData", c.byref(module), cubin)
        self._call("cuModuleGetFunction", c.byref(function), module, symbol.encode())
        if shared > _SHARED_WITHOUT_ASKING:
            self._call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED, shared)
        assert function.value is not None
        return LoadedFunction(function.value, threads, shared, hidden)

    def launch(self, function: LoadedFunction, grid: int, values: Sequence[Value]) -> None:
        """Queues `grid` programs; `values` are the kernel's parameters in order."""
        cells = [_cell(kind, value) for kind, value in values] + [c.c_uint64(0)] * function.hidden
        pointers = (c.c_void_p * len(cells))(*(c.addressof(cell) for cell in cells))
        block = (function.threads, 1, 1, function.shared)
        self._call("cuLaunchKernel", function.handle, grid, 1, 1, *block, None, pointers, None)

    def synchronize(self) -> None:
        """Waits for all launches; raises what they did wrong."""
        self._call("cuCtxSynchronize")

    def seconds(self, work: Any, repeats: int) -> float:
        """Mean device time of `work()` over `repeats` calls, in seconds, by events around them."""
        begin, end = c.c_void_p(), c.c_void_p()
        for event in (begin, end):
            self._call("cuEventCreate", c.byref(event), 0)
        self._call("cuEventRecord", begin, None)
        for _ in range(repeats):
            work()
        self._call("cuEventRecord", end, None)
        self._call("cuEventSynchronize", end)
        milliseconds = c.c_float()
        self._call("cuEventElapsedTime", c.byref(milliseconds), begin, end)
        for event in (begin, end):
            self._call("cuEventDestroy_v2", event)
        return milliseconds.value / 1e3 / repeats

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._driver, name)(*arguments)
        if code:
            text = c.c_char_p()
            self._driver.cuGetErrorString(code, c.byref(text))
            detail = text.value.decode() if text.value else "unknown error"
            raise ResourceError(f"the CUDA driver failed in {name}: {detail} (error {code})")


def _cell(kind: str, value: int | float) -> Any:
    return c.c_uint64(int(value)) if kind.startswith("*") else _PACKED[kind](value)
