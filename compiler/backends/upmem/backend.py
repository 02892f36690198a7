"""The UPMEM backend as the compiler sees it."""

from __future__ import annotations

from typing import Any, ClassVar

from stratagem.compiler.backends.base import BackendBase, KernelCode
from stratagem.hwmodels import Device


class Backend(BackendBase):
    """Kernels become UPMEM C; a driver builds it for the bundled simulator and runs it there."""

    name: ClassVar[str] = "upmem"

    def compile_kernels(self, module: Any, device: Device) -> KernelCode:
        from stratagem.compiler.backends.upmem.compile import compile_kernels

        return compile_kernels(module, device)

    @property
    def driver(self) -> str | None:
        return "stratagem.compiler.backends.upmem.driver"
