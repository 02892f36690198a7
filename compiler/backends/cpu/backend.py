"""The CPU backend as the compiler sees it."""

from __future__ import annotations

from typing import Any, ClassVar

from stratagem.compiler.backends.base import BackendBase, KernelCode
from stratagem.hwmodels import Device


class Backend(BackendBase):
    """Kernels become one object file, linked with the host program; there is no driver."""

    name: ClassVar[str] = "cpu"

    def compile_kernels(self, module: Any, device: Device) -> KernelCode:
        from stratagem.compiler.backends.cpu.compile import compile_kernels
        from stratagem.compiler.ir import functions, symbol_name

        code = compile_kernels(module, device)
        return KernelCode({"kernels.o": code.data}, tuple(symbol_name(f) for f in functions(module)), code.report)
