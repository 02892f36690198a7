"""What tells how long a task takes. The one here is a GPU's own; `simulated.py` has one that needs none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from stratagem.compiler.backends.gpu.binding import bind
from stratagem.compiler.backends.gpu.cuda import LIBRARY, CudaDevice, lacking
from stratagem.compiler.backends.gpu.driver import Driver
from stratagem.compiler.probe.gpu.tasks import Task
from stratagem.runtime.errors import ResourceError
from stratagem.runtime.signature import NUMPY_TYPES

Array = np.ndarray[Any, Any]
TRIES = 3
"""Series of calls; the fastest counts."""
BLOCK = 1 << 16
"""Random numbers that are repeated to fill arguments: of zeros, products draw less power and are faster."""


class Clock(Protocol):
    """Seconds of what one device does.

    Attributes:
        label: which device, or what stands for it. kind: `measured` or `simulated`.
    """

    label: str
    kind: str

    def seconds(self, task: Task) -> float:
        """Of one call of the task's kernel, its arguments on the device."""

    def transfer(self, nbytes: int, inward: bool) -> float | None:
        """Of a copy to the device, or from it; None where nobody knows."""


class DeviceClock:
    """The first CUDA device, by its own events.

    Raises ResourceError without one, and where kernels are for other devices.

    Args:
        budget: seconds for each task. library: the CUDA driver to load.
    """

    kind = "measured"

    def __init__(self, budget: float, library: str = LIBRARY) -> None:
        missing = lacking(library)
        if missing:
            raise ResourceError(
                f"a GPU is to be measured, and here is {missing}",
                hint="run it on a machine with a GPU, carry the kernels there (python -m benchmarks.gpu_check), or see "
                "the procedure without one (--simulate)",
            )
        self._budget, self._library = budget, library
        self._device = CudaDevice(0, library)
        self.label = f"measured on {self._device.name}"

    def seconds(self, task: Task) -> float:
        driver = Driver(task.files, library=self._library)
        try:
            if driver.cuda is None:
                raise ResourceError(
                    f"kernel '{task.kernel}' was not run: {driver.where}", hint="probe with the description of this GPU"
                )
            return self._called(driver, driver.cuda, task.kernel)
        finally:
            driver.close()

    def transfer(self, nbytes: int, inward: bool) -> float | None:
        cuda = self._device
        host, address = cuda.pinned(nbytes), cuda.allocate(nbytes)
        try:
            copy = (lambda: cuda.upload(address, host)) if inward else (lambda: cuda.download(host, address))
            return self._best(cuda, copy)
        finally:
            cuda.free(address)
            cuda.unpin(host)

    def close(self) -> None:
        """Releases the device."""
        self._device.close()

    def _called(self, driver: Driver, cuda: CudaDevice, kernel: str) -> float:
        plan = driver.plans[kernel]
        arrays = [_filled(tuple(n or 1 for n in a.shape or ()), a.dtype) for a in plan.arguments]
        call = bind(plan, arrays)
        addresses: list[int] = []
        try:
            for array in arrays:
                addresses.append(cuda.allocate(array.nbytes))
                cuda.upload(addresses[-1], array)
            addresses += [cuda.allocate(size) for size in call.scratch]
            return self._best(cuda, lambda: driver.launch(cuda, call, addresses))
        finally:
            for address in addresses:
                cuda.free(address)

    def _best(self, cuda: CudaDevice, work: Callable[[], None]) -> float:
        """The first calls load code and raise the clock; they only tell how many more fit the budget."""
        once = max(cuda.seconds(work, TRIES), 1e-7)
        repeats = max(1, min(1000, int(self._budget / TRIES / once)))
        return min(cuda.seconds(work, repeats) for _ in range(TRIES))


def _filled(shape: tuple[int, ...], dtype: str) -> Array:
    block = np.random.default_rng(0).standard_normal(BLOCK).astype(NUMPY_TYPES[dtype])
    return np.resize(block, shape)
