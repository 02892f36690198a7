"""A run of three calls on two devices, with numbers that are easy to add."""

from __future__ import annotations

import pytest

from stratagem.compiler.cost.influence import Influence
from stratagem.compiler.cost.program import CallCost, ProgramCost
from stratagem.compiler.schedule.cost import Seconds
from stratagem.hwmodels.trust import Provenance


def call(kernel: str, device: str, seconds: Seconds, traffic: dict[str, int] | None = None) -> CallCost:
    total = seconds.total
    return CallCost(
        kernel, "matmul", device, "fma", "net.py:7", seconds, total / 2, total * 2, 1000, traffic or {}, {"fma": 2.0}
    )


@pytest.fixture
def cost() -> ProgramCost:
    calls = (
        call("first", "host", Seconds(4.0, 1.0, 0.5), {"dram": 100}),
        call("second", "engine", Seconds(1.0, 2.0, 0.0), {"dram": 300, "l1": 50}),
        call("first", "host", Seconds(4.0, 1.0, 0.5), {"dram": 100}),
    )
    return ProgramCost(calls, 3.0, ("host: launch", Provenance("assumed", 0.4)))


@pytest.fixture
def found() -> list[Influence]:
    """A rate that half of the computing goes with, and a launch that all waiting does."""
    rate = {"first": Seconds(4.0 * (1 - 0.5 * (1 - 1 / 1.1)), 1.0, 0.5)}
    return [
        Influence("host", "units.fma.rate.f32", 1e9, True, rate),
        Influence("host", "launch", 1e-6, False, {"first": Seconds(4.0, 1.0, 0.55)}),
    ]
