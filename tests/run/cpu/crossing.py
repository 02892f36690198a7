"""What runs artifacts of several architectures: the C example, started under an emulator where that is another one, or
the artifact's code alone, where unicorn is the emulator."""

from __future__ import annotations

import importlib.util
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

from stratagem.compiler.backends.cpu.linker import find_c_compiler
from stratagem.runtime.errors import ResourceError
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


@dataclass(frozen=True)
class Emulated:
    """Stands in for the C example where that cannot be built or started, for `reason`."""

    architecture: str
    reason: str

    @property
    def target(self) -> str:
        return TARGETS[self.architecture]

    def run(self, artifact: Path, _signature: Signature, inputs: Mapping[str, Array], _folder: Path) -> list[Array]:
        """The artifact's outputs for these inputs."""
        from tests.run.cpu.emulated import load_emulated

        return load_emulated(artifact)(**inputs)


Runner = Loader | Emulated


def build_loader(architecture: str, folder: Path) -> Runner:
    """Builds runtime and example with CMake; where that is not possible, what stands in for them, or a skip that names
    the packages that are missing."""
    lacking = _lacking(architecture)
    if lacking and architecture == "aarch64":
        if not (lacking_too := lacking_to_emulate()):
            return Emulated(architecture, lacking)
        lacking += f"; {lacking_too}"
    if lacking:
        pytest.skip(lacking)
    native = architecture == platform.machine()
    cmake, c, cxx = _tools(architecture)
    options = [f"-DCMAKE_C_COMPILER={c}", f"-DCMAKE_CXX_COMPILER={cxx}", "-DSTRATAGEM_EXAMPLES=ON"]
    if not native:
        options += ["-DCMAKE_SYSTEM_NAME=Linux", f"-DCMAKE_SYSTEM_PROCESSOR={architecture}"]
    for command in (["-S", str(ROOT), "-B", str(folder), *options], ["--build", str(folder)]):
        done = subprocess.run([str(cmake), *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return Loader(architecture, (*([] if native else _emulator(architecture)), str(folder / "run_artifact")))


def lacking_to_emulate() -> str:
    """What unicorn lacks to run code for AArch64 here; empty where it lacks nothing."""
    if not importlib.util.find_spec("unicorn"):
        return "running code for aarch64 needs an emulator: pip install unicorn"
    try:
        find_c_compiler("aarch64")
    except ResourceError as error:
        return str(error)
    return ""


def _lacking(architecture: str) -> str:
    """What the C example lacks to be built and started; empty where it lacks nothing."""
    native = architecture == platform.machine()
    if not all(_tools(architecture)):
        packages = "cmake and g++" if native else f"cmake and g++-{architecture}-linux-gnu".replace("x86_64", "x86-64")
        return f"building the runtime for {architecture} needs a compiler: install {packages}"
    command = [] if native else _emulator(architecture)
    if not all(command) or (command and not Path(command[-1]).is_dir()):
        return f"running code for {architecture} needs qemu-{architecture}: install qemu-user"
    return ""


def _tools(architecture: str) -> list[str | None]:
    """Paths of CMake and of the compilers for C and C++, None where one is not installed."""
    cmake = shutil.which("cmake") or shutil.which("cmake", path=str(Path(sys.executable).parent))
    prefix = "" if architecture == platform.machine() else f"{architecture}-linux-gnu-"
    return [cmake, shutil.which(f"{prefix}gcc"), shutil.which(f"{prefix}g++")]


def _emulator(architecture: str) -> list[str]:
    """The command that starts programs of another architecture, with its C library's folder; "" where it is missing."""
    emulator = shutil.which(f"qemu-{architecture}") or ""
    return [emulator, *QEMU_OPTIONS.get(architecture, []), "-L", f"/usr/{architecture}-linux-gnu"]
