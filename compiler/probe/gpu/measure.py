"""Figures of a device from the times of its tasks."""

from __future__ import annotations

from itertools import pairwise

from stratagem.compiler.probe.found import Found, Link, Share, Tell
from stratagem.compiler.probe.gpu.clocks import Clock
from stratagem.compiler.probe.gpu.tasks import Task, of_kind

SMALL, LARGE = 1 << 12, 1 << 28
"""Bytes of the transfers that latency and bandwidth of the link to the host are measured with."""
LEAST = 1e-9
"""Seconds below which a difference of two times says nothing."""


def measure_gpu(tasks: list[Task], clock: Clock, tell: Tell) -> Found:
    """Times every task; the kernel without work comes off the others' times. Tasks read outer levels first."""
    found = Found()
    empty = next(of_kind(tasks, "launch"))
    start = clock.seconds(empty)
    found.launch = max(start - empty.latency, LEAST)
    for task in of_kind(tasks, "reads"):
        tell(task.name)
        rate = task.moved / max(clock.seconds(task) - start, LEAST)
        found.bandwidth[task.subject] = max(rate, found.bandwidth.get(task.subject, 0.0))
    for outer, inner in pairwise(found.bandwidth):  # where something else ran meanwhile, one can contradict the other
        found.bandwidth[inner] = max(found.bandwidth[inner], found.bandwidth[outer])
    times = {}
    for task in of_kind(tasks, "product"):
        tell(task.name)
        times[task.name] = max(clock.seconds(task) - start, LEAST)
    _products(found, list(of_kind(tasks, "product")), times)
    tell("transfers between host and device")
    found.links = _links(clock)
    return found


def _products(found: Found, tasks: list[Task], times: dict[str, float]) -> None:
    """The best product of a unit and a type is its rate; all of them are shares of that."""
    for task in tasks:
        key = task.subject, task.dtype
        found.units[key] = max(task.operations / times[task.name], found.units.get(key, 0.0))
    for task in tasks:
        share = task.operations / times[task.name] / found.units[task.subject, task.dtype]
        m, n, k = task.size
        found.samples.append(Share(task.subject, (m, n, k), share, times[task.name], task.dtype))


def _links(clock: Clock) -> dict[str, Link]:
    """Both directions by the alpha-beta model: what little takes, and what much takes beyond it."""
    links = {}
    for direction in ("in", "out"):
        small, large = (clock.transfer(size, direction == "in") for size in (SMALL, LARGE))
        if small is not None and large is not None:
            bandwidth = (LARGE - SMALL) / max(large - small, LEAST)
            links[direction] = Link(max(small - SMALL / bandwidth, 0.0), bandwidth)
    return links
