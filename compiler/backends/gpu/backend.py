"""The GPU backend as the compiler sees it."""

from __future__ import annotations

from typing import Any, ClassVar

from stratagem.compiler.backends.base import BackendBase, KernelCode
from stratagem.hwmodels import Device


class Backend(BackendBase):
    """Kernels become Triton source and cubins; a driver on libcuda launches them."""

    name: ClassVar[str] = "gpu"

    def compile_kernels(self, module: Any, device: Device) -> KernelCode:
        from stratagem.compiler.backends.gpu.compile import compile_kernels

        files, report = compile_kernels(module, device)
        return KernelCode(files, tuple(report["kernels"]), report)

    @property
    def driver(self) -> str | None:
        return "stratagem.compiler.backends.gpu.driver"
