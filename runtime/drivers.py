"""How kernels of other members than the host are reached: compiled code calls back with descriptors.

The host program calls `sg_driver_call(kernel, descriptors, count)` in the C++ runtime, which calls the function set
here, which hands numpy views to the driver of the kernel's backend.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from stratagem.runtime import descriptors
from stratagem.runtime.container import Container
from stratagem.runtime.signature import NUMPY_TYPES

Array = np.ndarray[Any, Any]


class Driver(Protocol):
    """Runs one backend's kernels. `where` says on what: a device by name, or what stands in for it."""

    where: str

    def run(self, kernel: str, inputs: list[Array], outputs: list[Array]) -> Any:
        """Reads `inputs`, writes `outputs` in place, returns the backend's report of the run."""


@dataclass(frozen=True)
class DriverKernel:
    """A kernel as the host program knows it: its number, and the types behind its descriptors, inputs first.

    `types` holds (element type, rank) of each argument; the rank of a scalar is -1.
    """

    name: str
    member: str
    types: tuple[tuple[str, int], ...]
    outputs: int

    def to_json(self) -> dict[str, Any]:
        types = [list(t) for t in self.types]
        return {"name": self.name, "member": self.member, "types": types, "outputs": self.outputs}

    @staticmethod
    def from_json(value: dict[str, Any]) -> DriverKernel:
        types = tuple((str(d), int(r)) for d, r in value["types"])
        return DriverKernel(value["name"], value["member"], types, int(value["outputs"]))


@dataclass
class DriverTable:
    """All driver kernels of a program, by number."""

    kernels: list[DriverKernel] = field(default_factory=list)
    drivers: dict[str, Driver] = field(default_factory=dict)
    reports: list[Any] = field(default_factory=list)
    _error: BaseException | None = None

    @staticmethod
    def from_artifact(entries: list[dict[str, Any]], container: Container) -> DriverTable:
        kernels = [DriverKernel.from_json(e) for e in entries]
        drivers = {}
        for member, facts in container.manifest.get("members", {}).items():
            if any(k.member == member for k in kernels):
                prefix = f"code/{member}/"
                files = {n.removeprefix(prefix): container.read(n) for n in container.members if n.startswith(prefix)}
                drivers[member] = make_driver(facts["backend"], files, facts["device"])
        return DriverTable(kernels, drivers)

    def active(self, runtime: Any) -> AbstractContextManager[None]:
        """Serves launches for the time of one run, and raises what a driver raised: an exception cannot pass through
        compiled code, so it waits here."""
        return self._serving(runtime) if self.kernels else nullcontext()

    @contextmanager
    def _serving(self, runtime: Any) -> Iterator[None]:
        self._error = None
        try:
            with runtime.driver(self._serve):
                yield
        finally:
            if self._error is not None:
                raise self._error

    def _serve(self, number: int, pointers: Any, count: int) -> bool:
        try:
            kernel = self.kernels[number]
            arrays = [_view(pointers[i], dtype, rank) for i, (dtype, rank) in enumerate(kernel.types)]
            split = count - kernel.outputs
            self.reports.append(self.drivers[kernel.member].run(kernel.name, arrays[:split], arrays[split:]))
        except BaseException as error:
            self._error = error
        return self._error is None


def _view(pointer: int, dtype: str, rank: int) -> Array:
    """The array behind a descriptor; of rank 0 behind the address of a scalar, which has rank -1."""
    if rank < 0:
        kind = NUMPY_TYPES[dtype]
        scalar: Any = (ctypes.c_char * kind.itemsize).from_address(pointer)
        return np.frombuffer(scalar, kind).reshape(())
    size = descriptors.words(rank)
    memory: Any = (ctypes.c_int64 * size).from_address(pointer)
    words = np.frombuffer(memory, np.int64)
    return descriptors.view(words, rank, NUMPY_TYPES[dtype])


def make_driver(backend: str, files: dict[str, bytes], device: dict[str, Any]) -> Driver:
    """The driver of a backend folder, made from the code that backend emitted and facts of the device."""
    module = importlib.import_module(f"stratagem.compiler.backends.{backend}.driver")
    driver: Driver = module.Driver(files, device)
    return driver
