"""The seam between the compiler and a backend: one folder per backend, found by listing.

A backend folder holds `backend.py` with one class `Backend` made from the abstract class below and, when its kernels do
not run in the host's own code, `driver.py` (importable without MLIR) with a class `Driver`.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from stratagem.hwmodels import Device
from stratagem.runtime.errors import HardwareError, UnsupportedError, UsageError


@dataclass(frozen=True)
class KernelCode:
    """What a backend made of one member's kernels.

    Attributes:
        files: file name -> content, stored in the artifact under `code/<member>/`.
        kernels: names of the kernels that the files hold.
        report: facts for `explain`, JSON-able. `kernels` in it maps each kernel to its own: `emitted` names its files,
            the rest is the backend's (resources, chosen loops), under names that say what they count. `libraries`, if
            any, lists those that the files call (`NeededLibrary.to_json`).
    """

    files: Mapping[str, bytes]
    kernels: tuple[str, ...]
    report: Mapping[str, Any] = field(default_factory=dict)


class BackendBase(ABC):
    """Turns kernels in device form into code."""

    name: ClassVar[str]
    calls_libraries: ClassVar[bool] = False
    """Whether kernels may claim units whose functions are calls of a library (`calls` in the hardware file)."""

    @abstractmethod
    def compile_kernels(self, module: Any, device: Device) -> KernelCode:
        """Compiles every kernel of a module of device-form functions.

        Raises UnsupportedError naming the operation where the backend cannot express a kernel.
        """

    def refusal(self, module: Any, device: Device) -> str | None:
        """Why a module of kernels cannot be compiled for the device; None when it can."""
        try:
            self.compile_kernels(module, device)
        except (UnsupportedError, HardwareError) as error:
            return error.problem
        return None

    def panel_columns(self, device: Device, dtype: str) -> tuple[int, ...]:
        """Columns of the panels in which its kernels read the right side of a product, the best first; none where they
        do not. `dtype`: the widest element type of the product.
        """
        return ()

    @property
    def driver(self) -> str | None:
        """Dotted name of the module that serves launches at run time; None when kernels are linked into the host."""
        return None


def backend_names() -> list[str]:
    """The backends there are: the folders beside this file."""
    import stratagem.compiler.backends as package

    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg)


def load_backend(name: str) -> BackendBase:
    """The backend called `name`; raises UsageError with the names there are."""
    names = backend_names()
    if name not in names:
        raise UsageError(f"there is no backend '{name}'", hint=f"backends: {', '.join(names)}")
    module = importlib.import_module(f"stratagem.compiler.backends.{name}.backend")
    backend: BackendBase = module.Backend()
    return backend
