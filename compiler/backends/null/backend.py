"""Takes any kernel and emits only its name."""

from __future__ import annotations

from typing import Any, ClassVar

from stratagem.compiler.backends.base import BackendBase, KernelCode
from stratagem.compiler.ir import functions, symbol_name
from stratagem.hwmodels import Device


class Backend(BackendBase):
    """Code of a kernel is an empty file named after it."""

    name: ClassVar[str] = "null"

    def compile_kernels(self, module: Any, device: Device) -> KernelCode:
        names = tuple(symbol_name(f) for f in functions(module))
        report = {"kernels": {name: {"emitted": [f"{name}.null"]} for name in names}}
        return KernelCode({f"{name}.null": b"" for name in names}, names, report)

    @property
    def driver(self) -> str | None:
        return "stratagem.compiler.backends.null.driver"
