"""A clock that takes its times from a hardware description: what a probe would find if the device were as described."""

from __future__ import annotations

from stratagem.compiler.cost.device import bandwidth as reached_bandwidth
from stratagem.compiler.cost.device import device_model, main_memory
from stratagem.compiler.cost.figures import Figures
from stratagem.compiler.probe.found import Link
from stratagem.compiler.probe.gpu.programs import shared_levels
from stratagem.compiler.probe.gpu.tasks import Task
from stratagem.hwmodels import Device


class SimulatedClock:
    """A task takes what starting it takes, the latency of main memory, and the longer of its arithmetic and of moving
    its bytes from the smallest memory that holds them (Williams, Waterman, Patterson, "Roofline", CACM 2009). Rates and
    bandwidths are those that large work reaches.

    Args:
        links: to ("in") and from ("out") the device; none of a description of the device alone.
    """

    kind = "simulated"

    def __init__(self, device: Device, links: dict[str, Link] | None = None) -> None:
        self._device, self._links = device, links or {}
        self.label = f"SIMULATED from the description of '{device.name}': no device ran"

    def seconds(self, task: Task) -> float:
        start = (self._device.launch or 0.0) + (main_memory(self._device).latency or 0.0)
        return start + max(self._moving(task), self._computing(task))

    def transfer(self, nbytes: int, inward: bool) -> float | None:
        link = self._links.get("in" if inward else "out")
        return None if link is None else link.latency + nbytes / link.bandwidth

    def _moving(self, task: Task) -> float:
        levels = shared_levels(self._device)
        held = [each for each in levels if (each.size or 0) * self._device.instances(each.name) >= task.held]
        return task.moved / reached_bandwidth(self._device, (held or levels)[-1], Figures())

    def _computing(self, task: Task) -> float:
        if task.kind != "product":
            return 0.0
        return task.operations / device_model(self._device, task.dtype, Figures()).peak
