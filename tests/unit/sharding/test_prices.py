"""What sharing a program over ranks is priced with, and what a description that does not say it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stratagem.compiler.passes.partition_program import prices
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import HardwareError


def test_numbers_come_from_the_description() -> None:
    machine = load_machine("two-hosts")
    found, link = prices(machine), machine.tiers[0].link
    assert link.bandwidth and (found.byte, found.collective) == (1.0 / link.bandwidth, link.latency)


def test_a_device_without_a_rate_of_f32_is_named() -> None:
    machine = load_machine("two-hosts")
    host = machine.host_device
    unrated = replace(host, units=tuple(replace(u, lanes={"i32": 8}, rate={}) for u in host.units))
    members = {name: replace(m, device=unrated) for name, m in machine.members.items()}
    with pytest.raises(HardwareError, match=f"device '{host.name}' has no rate of f32"):
        prices(replace(machine, members=members))


def test_a_network_without_a_bandwidth_is_named() -> None:
    machine = load_machine("two-hosts")
    tiers = tuple(replace(t, link=replace(t.link, bandwidth=None)) for t in machine.tiers)
    with pytest.raises(HardwareError, match="no link to price communication with"):
        prices(replace(machine, tiers=tiers))
