"""The CUDA stand-in from Python: builds it, and runs what is launched on it in the checked interpreter."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.plan import KernelPlan, Launch
from stratagem.compiler.backends.gpu.worker import Worker

SOURCE = Path(__file__).parent / "standin_cuda.c"
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_uint,
    ctypes.c_uint,
    ctypes.c_uint,
    ctypes.POINTER(ctypes.c_void_p),
)
_CELLS: dict[str, Any] = {"i32": ctypes.c_int32, "i64": ctypes.c_int64, "fp32": ctypes.c_float}

needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None, reason="the CUDA stand-in is built with a C compiler, and there is no cc"
)


class StandIn:
    """A pretend device. `launches` records (function, grid, threads, shared bytes); `problems` what was found."""

    def __init__(self, folder: Path, plans: Mapping[str, KernelPlan], sources: Mapping[str, str]) -> None:
        self.path = str(folder / "libstandin.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.path, str(SOURCE)], check=True)
        self.library = ctypes.CDLL(self.path)
        self.library.standin_block_size.restype = ctypes.c_size_t
        self.library.standin_block_size.argtypes = [ctypes.c_uint64]
        self.launches: list[tuple[str, int, int, int]] = []
        self.problems: dict[str, str] = {}
        self._functions = {launch.function: (launch, name) for name, p in plans.items() for launch in p.launches}
        self._sources = sources
        self._worker = Worker("interpreter_worker", {"TRITON_INTERPRET": "1"})
        self._callback = _CALLBACK(self._launched)

    def setup(self, devices: int = 1, capability: int = 90) -> None:
        self.library.standin_setup(devices, capability, self._callback)

    @property
    def live_blocks(self) -> int:
        """Device allocations not freed."""
        return int(self.library.standin_live_blocks())

    @property
    def live_contexts(self) -> int:
        return int(self.library.standin_live_contexts())

    def close(self) -> None:
        self._worker.close()

    def _launched(self, name: bytes, grid: int, threads: int, shared: int, parameters: Any) -> int:
        self.launches.append((name.decode(), grid, threads, shared))
        launch, kernel = self._functions[name.decode()]
        request, addresses, blobs = self._request(launch, grid, parameters)
        answer, outputs = self._worker.ask({**request, "source": self._sources[kernel]}, blobs)
        if "error" in answer:
            self.problems["error"] = answer["error"]
            return 719
        self.problems.update(answer["problems"])
        for address, output in zip(addresses, outputs, strict=True):
            ctypes.memmove(address, output, len(output))
        return 0

    def _request(self, launch: Launch, grid: int, parameters: Any) -> tuple[dict[str, Any], list[int], list[bytes]]:
        """Reads the raw parameter cells as the device would, by the types of the plan alone."""
        buffers: list[dict[str, Any]] = []
        values: list[dict[str, Any]] = []
        addresses: list[int] = []
        blobs: list[bytes] = []
        for index, parameter in enumerate(launch.parameters):
            if parameter.type.startswith("*"):
                address = ctypes.c_uint64.from_address(parameters[index]).value
                size = int(self.library.standin_block_size(address))
                values.append({"type": parameter.type, "buffer": len(buffers), "value": None})
                buffers.append(_buffer(parameter.name, size, parameter.writes, len(blobs)))
                addresses.append(address)
                blobs.append(ctypes.string_at(address, size))
            else:
                cell: Any = _CELLS[parameter.type].from_address(parameters[index])
                values.append({"type": parameter.type, "buffer": None, "value": cell.value})
        call = {"function": launch.function, "grid": grid, "programs": None, "parameters": values}
        return {"buffers": buffers, "launches": [call], "seed": 0}, addresses, blobs


def _buffer(name: str, size: int, writes: bool, blob: int) -> dict[str, Any]:
    return {
        "name": name,
        "nbytes": size,
        "writable": writes,
        "covered": False,
        "blob": blob,
        "virtual": False,
    }


def reference_softmax(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Softmax over rows, in float64."""
    shifted = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    result: np.ndarray[Any, Any] = shifted / shifted.sum(axis=1, keepdims=True)
    return result
