"""Runs emitted kernels. Needs a C compiler, no MLIR.

There is one way to run at present: the bundled simulator. Where UPMEM's SDK is installed the driver says how
the same C would be built for real DPUs (`mode="hardware"` refuses with these commands: that path has never
been run).
"""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.compiler.backends.upmem.build import Builder, BuiltKernel, sdk_commands, sdk_present
from stratagem.compiler.backends.upmem.dtypes import dtype_named
from stratagem.compiler.backends.upmem.facts import DeviceFacts
from stratagem.compiler.backends.upmem.report import Limits, RunReport, SimulatorReport, limits_of, run_report
from stratagem.runtime.errors import (
    ArtifactError,
    HardwareError,
    ResourceError,
    RuntimeInputError,
    UsageError,
    VerificationError,
)

Array = np.ndarray[Any, Any]
_OUT_OF_MEMORY = 1000
_ONE_AT_A_TIME = threading.Lock()  # the simulator has one machine


class Driver:
    """Runs the kernels of one artifact.

    Args:
        files: what `compile_kernels` returned, or the folder that holds it.
        device: not needed, the files hold the facts of the device; replaces them when it is a DeviceFacts.
        mode: "simulator", or "hardware" (refused, see above). builder: where to build.
    """

    def __init__(
        self,
        files: Mapping[str, bytes] | str | Path,
        device: DeviceFacts | Mapping[str, Any] | None = None,
        mode: str = "simulator",
        builder: Builder | None = None,
    ) -> None:
        self.files = _read_files(files)
        self.facts = device if isinstance(device, DeviceFacts) else DeviceFacts.from_json(self._file("device.json"))
        self.kernels: dict[str, Any] = json.loads(self._file("kernels.json"))
        self._check_mode(mode)
        self.builder = builder or Builder.default()
        self._built: dict[str, BuiltKernel] | None = None
        self._libraries: tuple[ctypes.CDLL, ctypes.CDLL] | None = None
        self.where = f"simulated: {self.facts.units} units of {self.facts.name}"

    def _check_mode(self, mode: str) -> None:
        if mode == "simulator":
            return
        if mode != "hardware":
            raise UsageError(f"the driver has no mode '{mode}'", hint="modes: simulator, hardware")
        first = next(iter(self.kernels))
        found = "is installed" if sdk_present() else "is not installed"
        raise ResourceError(
            f"running on real DPUs is not implemented; UPMEM's SDK {found} here",
            hint="it would build with:\n  "
            + "\n  ".join(sdk_commands(first, self.kernels[first]["tasklets"], self.facts)),
        )

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise ArtifactError(f"the artifact's near-memory code has no {name}", hint="compile the model again")
        return self.files[name]

    def run(self, kernel: str, inputs: Sequence[Array], outputs: Sequence[Array]) -> RunReport:
        """Runs one kernel: reads `inputs`, writes `outputs` in place (what they held before counts where the
        kernel reads its destination).

        Raises RuntimeInputError for arguments that do not fit, VerificationError when the program breaks a
        rule of the device, with the line of the emitted C, HardwareError when the device is too small.
        """
        if kernel not in self.kernels:
            raise ArtifactError(f"the artifact has no near-memory kernel '{kernel}'", hint="compile the model again")
        entry = self.kernels[kernel]
        arrays = [*inputs, *outputs]
        _check_arguments(kernel, entry["arguments"], arrays)
        held = [
            np.asarray(a, dtype=dtype_named(s["dtype"]).numpy, order="C")  # unlike ascontiguousarray: rank 0 stays
            for a, s in zip(arrays, entry["arguments"], strict=True)
        ]
        first = len(arrays) - entry["results"]
        for position in range(first, len(arrays)):
            if any(np.shares_memory(held[position], other) for other in held[:position]):
                held[position] = held[position].copy()
        with _ONE_AT_A_TIME:
            report = self._call(kernel, held)
        for array, value in list(zip(arrays, held, strict=True))[first:]:
            if value is not array:
                array[...] = value
        return report

    def _call(self, kernel: str, arrays: list[Array]) -> RunReport:
        simulator, host = self._load()
        limits = limits_of(self.facts)
        simulator.sg_sim_configure(ctypes.byref(limits))
        simulator.sg_sim_clear()
        data = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
        shapes = [
            n
            for a, s in zip(arrays, self.kernels[kernel]["arguments"], strict=True)
            if s["shape"] is not None
            for n in a.shape
        ]
        program = str(self._build()[kernel].device).encode()
        status = getattr(host, self.kernels[kernel]["entry"])(
            data, (ctypes.c_int64 * max(len(shapes), 1))(*shapes), program
        )
        raw = SimulatorReport()
        simulator.sg_sim_take_report(ctypes.byref(raw))
        host.stratagem_close()
        if status:
            raise self._failure(kernel, status, simulator)
        return run_report(kernel, raw, self.facts)

    def _failure(self, kernel: str, status: int, simulator: ctypes.CDLL) -> Exception:
        if status == _OUT_OF_MEMORY:
            return ResourceError(f"kernel {kernel}: this machine ran out of memory for staging buffers")
        text = _with_lines(simulator.sg_sim_error().decode(), self._build()[kernel].device)
        rule = simulator.sg_sim_rule().decode()
        if rule in ("wram-capacity", "mram-capacity", "tasklets", "dpu-alloc"):
            return HardwareError(f"kernel {kernel} (simulated): {text}")
        return VerificationError(f"kernel {kernel} (simulated): {text or f'error {status}'}")

    def _build(self) -> dict[str, BuiltKernel]:
        if self._built is None:
            tasklets = {name: int(entry["tasklets"]) for name, entry in self.kernels.items()}
            self._built = self.builder.kernels(self.files, tasklets, self.facts)
        return self._built

    def _load(self) -> tuple[ctypes.CDLL, ctypes.CDLL]:
        if self._libraries is None:
            built = next(iter(self._build().values()))
            simulator = ctypes.CDLL(str(self.builder.simulator()))
            simulator.sg_sim_error.restype = ctypes.c_char_p
            simulator.sg_sim_rule.restype = ctypes.c_char_p
            simulator.sg_sim_sizes.restype = ctypes.c_size_t
            sizes = (simulator.sg_sim_sizes(0), simulator.sg_sim_sizes(1))
            if sizes != (ctypes.sizeof(Limits), ctypes.sizeof(SimulatorReport)):
                raise ArtifactError("the simulator library and the driver are of different versions")
            self._libraries = (simulator, ctypes.CDLL(str(built.host)))
        return self._libraries

    def close(self) -> None:
        """Nothing stays open between calls."""


def _read_files(files: Mapping[str, bytes] | str | Path) -> Mapping[str, bytes]:
    if isinstance(files, Mapping):
        return files
    folder = Path(files)
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is no folder with near-memory code")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _check_arguments(kernel: str, expected: list[dict[str, Any]], arrays: Sequence[Array]) -> None:
    if len(arrays) != len(expected):
        raise RuntimeInputError(f"kernel {kernel} takes {len(expected)} arguments, got {len(arrays)}")
    for number, (want, array) in enumerate(zip(expected, arrays, strict=True)):
        shape = want["shape"]
        fits = shape is None or (
            len(shape) == array.ndim and all(w in (-1, n) for w, n in zip(shape, array.shape, strict=True))
        )
        if not fits or str(array.dtype) != dtype_named(want["dtype"]).numpy:
            form = "a scalar" if shape is None else "x".join("?" if n < 0 else str(n) for n in shape) or "rank 0"
            raise RuntimeInputError(
                f"kernel {kernel}, argument {number}: wants {form} of {want['dtype']}, "
                f"got shape {tuple(array.shape)} of {array.dtype}"
            )


def _with_lines(text: str, program: Path) -> str:
    """Replaces `@address@` by the line of the emitted C, where addr2line is installed."""

    def line(match: re.Match[str]) -> str:
        tool = shutil.which("addr2line")
        if tool is None:
            return ""
        done = subprocess.run([tool, "-e", str(program), match[1]], capture_output=True, text=True, check=False)
        place = done.stdout.strip().rsplit("/", 1)[-1].split(" ")[0]
        return f"at {place}" if place and not place.startswith("?") else ""

    return re.sub(r"@(0x[0-9a-f]+|0)@", line, text).strip()
