"""The C example that runs artifacts, built for this machine or another architecture, and started under an emulator."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratagem.runtime.signature import Signature

Array = np.ndarray[Any, Any]
ROOT = Path(__file__).resolve().parents[3]
QEMU_OPTIONS = {"riscv64": ["-cpu", "rv64,v=true,vlen=256"]}
TARGETS = {"x86_64": "generic-sse", "aarch64": "raspberry-pi-5", "riscv64": "generic-rv64gcv"}
"""Architecture -> a target of the library whose code every processor (or emulator) of it runs."""


@dataclass(frozen=True)
class Loader:
    """The built example: `command` starts it."""

    architecture: str
    command: tuple[str, ...]

    @property
    def target(self) -> str:
        return TARGETS[self.architecture]

    def start(self, artifact: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self.command, str(artifact), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def run(self, artifact: Path, signature: Signature, inputs: Mapping[str, Array], folder: Path) -> list[Array]:
        """The artifact's outputs for these inputs, by files in `folder`; shapes are what the program printed."""
        arguments = []
        for name, array in inputs.items():
            array.tofile(folder / f"{name}.in")
            arguments.append(f"{name}={','.join(map(str, array.shape))}:{folder / name}.in")
        done = self.start(artifact, *arguments, "-o", str(folder))
        assert done.returncode == 0, done.stderr
        results = []
        for spec, line in zip(signature.outputs, done.stdout.splitlines(), strict=True):
            name, _, rest = line.partition(f": {spec.dtype}[")
            assert name == spec.name, line
            shape = [int(n) for n in rest.partition("]")[0].split(",") if n]
            results.append(np.fromfile(folder / f"{name}.bin", spec.numpy_dtype).reshape(shape))
        return results


def build_loader(architecture: str, folder: Path) -> Loader:
    """Builds runtime and example with CMake; a skip that names the packages where something is missing."""
    native = architecture == platform.machine()
    cmake = shutil.which("cmake") or shutil.which("cmake", path=str(Path(sys.executable).parent))
    prefix = "" if native else f"{architecture}-linux-gnu-"
    c, cxx = shutil.which(f"{prefix}gcc"), shutil.which(f"{prefix}g++")
    if not cmake or not c or not cxx:
        packages = "cmake and g++" if native else f"cmake and g++-{architecture}-linux-gnu".replace("x86_64", "x86-64")
        pytest.skip(f"building the runtime for {architecture} needs a compiler: install {packages}")
    started = () if native else _emulator(architecture)
    options = [f"-DCMAKE_C_COMPILER={c}", f"-DCMAKE_CXX_COMPILER={cxx}", "-DSTRATAGEM_EXAMPLES=ON"]
    if not native:
        options += ["-DCMAKE_SYSTEM_NAME=Linux", f"-DCMAKE_SYSTEM_PROCESSOR={architecture}"]
    for command in (["-S", str(ROOT), "-B", str(folder), *options], ["--build", str(folder)]):
        done = subprocess.run([cmake, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return Loader(architecture, (*started, str(folder / "run_artifact")))


def _emulator(architecture: str) -> tuple[str, ...]:
    """The command that starts programs of another architecture, with its C library's folder."""
    emulator, libraries = shutil.which(f"qemu-{architecture}"), Path(f"/usr/{architecture}-linux-gnu")
    if not emulator or not libraries.is_dir():
        pytest.skip(f"running code for {architecture} needs qemu-{architecture}: install qemu-user")
    return (emulator, *QEMU_OPTIONS.get(architecture, []), "-L", str(libraries))
