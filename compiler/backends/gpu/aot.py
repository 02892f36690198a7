"""Ahead-of-time compilation: Triton functions to cubins in a worker process, cached by their source."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import re
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stratagem.compiler import knobs
from stratagem.compiler.backends.gpu.plan import Launch
from stratagem.compiler.backends.gpu.worker import Worker, WorkerDiedError
from stratagem.runtime.errors import HardwareError, UnsupportedError

FORMAT = 1
"""Part of every cache key: raised when what is compiled from the same source changes."""


_COMPILED: dict[str, CompiledFunction] = {}
"""What this process compiled: a kernel is compiled once to see whether it fits, and again for its code."""


@dataclass(frozen=True)
class CompiledFunction:
    """One compiled Triton function and what its launch needs.

    Attributes:
        threads: per program (block). shared: bytes of dynamic shared memory.
        exact: whether the code runs on this compute capability only.
        spills: bytes of register spills; None when the assembler did not say.
        matrix_instructions: how many tensor core instructions the code has.
    """

    symbol: str
    capability: int
    exact: bool
    threads: int
    shared: int
    spills: int | None
    matrix_instructions: int
    triton: str
    cubin: bytes

    def facts(self) -> dict[str, Any]:
        """All but the code, JSON-able."""
        return {k: v for k, v in asdict(self).items() if k != "cubin"}


def capability_of(arch: str) -> int:
    """90 for `sm_90`; HardwareError for an architecture this backend does not compile for."""
    match = re.fullmatch(r"sm_(\d+)a?", arch)
    if not match:
        raise HardwareError(
            f"the GPU backend cannot compile for architecture '{arch}'",
            hint="set target.arch in the device file to sm_<compute capability>, for example sm_90",
        )
    return int(match[1])


@cache
def compiler_process() -> Worker:
    """The one worker that compiles for this process: it holds Triton, whose import takes half a second."""
    triton_cache = tempfile.TemporaryDirectory(prefix="stratagem-triton-")
    worker = Worker("aot_worker", {"TRITON_CACHE_DIR": triton_cache.name, "TRITON_DISABLE_LINE_INFO": "1"})
    atexit.register(triton_cache.cleanup)
    atexit.register(worker.close)
    return worker


class AheadOfTimeCompiler:
    """Compiles functions for one architecture.

    Args:
        arch: `sm_90` and the like. warp_size: lanes of a warp.
        folder: where compiled functions are kept for other processes; None keeps them in this one only.
    """

    def __init__(self, arch: str, warp_size: int, folder: Path | None = None) -> None:
        self.capability = capability_of(arch)
        self._warp_size = warp_size
        self._folder = folder

    def compile(self, source: str, launch: Launch, warps: int, stages: int) -> CompiledFunction:
        """Compiles the function of one launch.

        Raises UnsupportedError with Triton's message when it refuses the source or crashes.
        """
        request = {
            "source": source,
            "function": launch.function,
            "signature": [[p.name, p.type] for p in launch.parameters],
            "warps": warps,
            "stages": stages,
            "capability": self.capability,
            "warp_size": self._warp_size,
        }
        key = hashlib.sha256(json.dumps([FORMAT, _triton_version(), request]).encode()).hexdigest()
        if key not in _COMPILED:
            _COMPILED[key] = self._cached(key) or self._compiled(key, request)
        return _COMPILED[key]

    def _compiled(self, key: str, request: dict[str, Any]) -> CompiledFunction:
        try:
            answer, blobs = compiler_process().ask(request)
        except WorkerDiedError as error:
            problem = f"Triton crashed on '{request['function']}': {error.problem}"
            raise UnsupportedError(problem, hint=error.hint) from None
        if "error" in answer:
            raise UnsupportedError(
                f"Triton cannot compile '{request['function']}': {answer['error']}",
                hint="the kernel can run on the host member instead",
            )
        if answer["scratch"] or answer["ctas"] != 1:
            raise UnsupportedError(f"Triton wants device scratch or block clusters for '{request['function']}'")
        compiled = CompiledFunction(
            symbol=answer["symbol"],
            capability=self.capability,
            exact=answer["exact"],
            threads=self._warp_size * answer["warps"],
            shared=answer["shared"],
            spills=answer["spills"],
            matrix_instructions=answer["matrix_instructions"],
            triton=answer["triton"],
            cubin=blobs[0],
        )
        if self._folder is not None:
            with contextlib.suppress(OSError):  # a full or read-only disk costs time later, nothing now
                self._folder.mkdir(parents=True, exist_ok=True)
                _write(self._folder / f"{key}.cubin", compiled.cubin)
                _write(self._folder / f"{key}.json", json.dumps(compiled.facts()).encode())
        return compiled

    def _cached(self, key: str) -> CompiledFunction | None:
        """What another process compiled; None when there is nothing, or nothing that can be read."""
        if self._folder is None:
            return None
        try:
            facts = json.loads((self._folder / f"{key}.json").read_text())
            return CompiledFunction(**facts, cubin=(self._folder / f"{key}.cubin").read_bytes())
        except (OSError, ValueError, TypeError):
            return None


def cache_folder() -> Path | None:
    """Where compiled functions are kept, by knob `cache`; None when caching is off."""
    setting = knobs.current().cache
    if setting == "off":
        return None
    if setting:
        return Path(setting) / "gpu"
    import platformdirs

    return Path(platformdirs.user_cache_dir("stratagem")) / "gpu"


def _write(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing, also when two processes write the same one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)


def _triton_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("triton")
    except PackageNotFoundError:
        return "none"
