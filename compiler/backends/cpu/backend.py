"""The CPU backend as the compiler sees it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from stratagem.compiler.backends.base import BackendBase, KernelCode
from stratagem.compiler.cache import cached, key
from stratagem.hwmodels import Device


class Backend(BackendBase):
    """Kernels become one object file, linked with the host program; there is no driver.

    Object files are cached on disk by the kernels' text, the device and this backend's own sources.
    """

    name: ClassVar[str] = "cpu"
    calls_libraries: ClassVar[bool] = True

    def compile_kernels(self, module: Any, device: Device) -> KernelCode:
        from stratagem.compiler.backends.cpu.compile import KERNELS_FILE
        from stratagem.compiler.ir import functions, symbol_name, to_text

        names = tuple(symbol_name(f) for f in functions(module))
        entry = cached(
            key("cpu", fingerprint(), device.digest, to_text(module, locations=False)), lambda: _compile(module, device)
        )
        report, _, data = entry.partition(b"\0")
        return KernelCode({KERNELS_FILE: data}, names, json.loads(report))

    def panel_columns(self, device: Device, dtype: str) -> tuple[int, ...]:
        from stratagem.compiler.backends.cpu.target import CpuTarget
        from stratagem.compiler.schedule.register_block import register_block

        target = CpuTarget.of(device)
        widest = register_block(target.registers).vectors
        return tuple(v * target.lanes(dtype) for v in (widest, widest // 2) if v)


def _compile(module: Any, device: Device) -> bytes:
    """The report as JSON, a zero byte, the object file."""
    from stratagem.compiler.backends.cpu.compile import compile_kernels

    code = compile_kernels(module, device)
    return json.dumps(code.report).encode() + b"\0" + code.data


@cache
def fingerprint() -> str:
    """A digest of this backend's sources and of the code generator's version: what it was made by is part of a key."""
    import llvmlite

    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return key(llvmlite.__version__, *(source.read_bytes() for source in sources))
