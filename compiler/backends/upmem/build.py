"""Builds the emitted C: for the bundled simulator with the system's C compiler, cached by content.

On a machine with UPMEM's SDK the same files build with `dpu-upmem-dpurte-clang` and the SDK's host library;
that way is printed by `sdk_commands` and has not been tried, for want of the hardware.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stratagem.compiler.backends.upmem.facts import DeviceFacts
from stratagem.compiler.backends.upmem.sources import SIMULATOR, simulator_sources
from stratagem.runtime.errors import ResourceError

PROGRAM_END = SIMULATOR / "device" / "program_end.c"
SDK_COMPILER = "dpu-upmem-dpurte-clang"
WARNINGS = ("-std=gnu11", "-Wall", "-Wextra")
HOST_FLAGS = (*WARNINGS, "-O2", "-g", "-fPIC", "-fwrapv", "-ffp-contract=off")
DEVICE_FLAGS = (
    *WARNINGS, "-O1", "-g", "-fPIC", "-fwrapv", "-ffp-contract=off", "-fno-tree-vectorize",
    "-fno-tree-loop-distribute-patterns", "-fsanitize=thread", "-Wno-unused-function",
)  # fmt: skip
"""Device code is instrumented at every load and store; the simulator implements the calls, no sanitizer is
linked."""


DEVICE_LINK = ("-nostartfiles", "-Wl,-z,now", "-Wl,-z,relro", "-Wl,-Bsymbolic", "-Wl,--hash-style=sysv")
"""No start files: all that is writable is the program's own, so its WRAM can be measured."""


@dataclass(frozen=True)
class BuiltKernel:
    """Shared objects of one kernel's DPU program and of all kernels' host side."""

    device: Path
    host: Path


@dataclass(frozen=True)
class Builder:
    """Builds into `folder`/<digest>; what is there is used as it is. `strict` makes warnings errors, for tests."""

    folder: Path
    strict: bool = False

    @staticmethod
    def default() -> Builder:
        from stratagem.compiler import knobs

        cache = knobs.current().cache
        if cache == "off":
            return Builder(Path(tempfile.mkdtemp(prefix="stratagem-upmem-")))
        base = Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stratagem"
        return Builder(base / "upmem")

    def simulator(self) -> Path:
        """The simulator's library; beside it `program_end.o`, which every DPU program ends with."""
        sources = simulator_sources()
        content = {p.name: p.read_bytes() for p in [*sources, *SIMULATOR.rglob("*.h"), PROGRAM_END]}
        place = self._place("simulator", content, HOST_FLAGS)
        library = place / "libsimulator.so"
        if not (place / "program_end.o").exists():
            self._compile([*HOST_FLAGS, "-c", str(PROGRAM_END)], place / "program_end.o")
        if not library.exists():
            include = [f"-I{SIMULATOR / part}" for part in ("", "device", "host")]
            self._compile([*HOST_FLAGS, *include, "-shared", *map(str, sources), "-ldl"], library)
        return library

    def kernels(
        self, files: Mapping[str, bytes], tasklets: Mapping[str, int], facts: DeviceFacts
    ) -> dict[str, BuiltKernel]:
        """DPU programs and host side of all kernels; `tasklets` per kernel."""
        simulator = self.simulator()
        content = {
            **files,
            "simulator": str(simulator).encode(),
            "tasklets": repr(sorted(tasklets.items())).encode(),
        }
        place = self._place("kernels", content, DEVICE_FLAGS)
        for name in files:
            if name.endswith((".c", ".h")) and not (place / name).exists():
                (place / name).write_bytes(files[name])
        host = place / "libhost.so"
        if not host.exists():
            flags = [*HOST_FLAGS, f"-I{place}", f"-I{SIMULATOR / 'host'}"]
            self._compile([*flags, "-shared", str(place / "host.c"), *_linked(simulator)], host)
        built = {}
        for kernel, count in tasklets.items():
            program = place / f"{kernel}.so"
            if not program.exists():
                self._device_program(place, kernel, count, facts, program, simulator)
            built[kernel] = BuiltKernel(program, host)
        return built

    def _device_program(
        self, place: Path, kernel: str, tasklets: int, facts: DeviceFacts, program: Path, simulator: Path
    ) -> None:
        compiled = place / f"{kernel}.dpu.o"
        defines = [f"-DNR_TASKLETS={tasklets}", f"-DSTACK_SIZE_DEFAULT={facts.stack_bytes}"]
        include = [f"-I{place}", f"-I{SIMULATOR / 'device'}"]
        self._compile([*DEVICE_FLAGS, *defines, *include, "-c", str(place / f"{kernel}.dpu.c")], compiled)
        end = simulator.parent / "program_end.o"
        self._compile(["-shared", *DEVICE_LINK, str(compiled), str(end), *_linked(simulator)], program)

    def _compile(self, arguments: list[str], target: Path) -> None:
        """Runs the compiler; the result appears under its name only when complete."""
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        command = [_compiler(), *(["-Werror"] if self.strict else []), *arguments, "-o", str(part)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            part.unlink(missing_ok=True)
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
            raise ResourceError(
                f"building {target.name} failed: {first.strip()}", hint=f"sources are in {target.parent}"
            )
        os.replace(part, target)

    def _place(self, kind: str, content: Mapping[str, bytes], flags: Iterable[str]) -> Path:
        digest = hashlib.sha256("\0".join([_compiler(), *flags]).encode())
        for name in sorted(content):
            digest.update(name.encode() + b"\0" + content[name] + b"\0")
        place = self.folder / f"{kind}-{digest.hexdigest()[:20]}"
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(
                f"cannot write to {place}: {error.strerror}", hint="set STRATAGEM_CACHE to a writable folder"
            ) from None
        return place


def _linked(library: Path) -> list[str]:
    return [str(library), f"-Wl,-rpath,{library.parent}"]


def _compiler() -> str:
    """The C compiler to use: $CC, cc, gcc or clang."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise ResourceError(
        "no C compiler was found, and the near-memory simulator is built with one",
        hint="install gcc or clang, or set CC",
    )


def sdk_commands(kernel: str, tasklets: int, facts: DeviceFacts) -> list[str]:
    """Shell commands that build the same files with UPMEM's SDK (not tried: no hardware was at hand)."""
    defines = f"-DNR_TASKLETS={tasklets} -DSTACK_SIZE_DEFAULT={facts.stack_bytes}"
    return [
        f"{SDK_COMPILER} -O2 -fwrapv -ffp-contract=off {defines} -I. -o {kernel}.dpu {kernel}.dpu.c",
        "cc -O2 -fwrapv -fPIC -shared -I. $(dpu-pkg-config --cflags --libs dpu) -o libhost.so host.c",
    ]


def sdk_present() -> bool:
    """Whether UPMEM's compiler is installed here."""
    return shutil.which(SDK_COMPILER) is not None
