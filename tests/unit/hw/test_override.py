"""Numbers of a description replaced by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from stratagem.hwmodels import load_machine
from stratagem.hwmodels.errors import HardwareFileError
from stratagem.hwmodels.override import stated, stated_numbers, unit_problems, with_values

DEVICE = """\
hw: 1
device: small
class: cpu
backend: cpu
source: {kind: assumed, spread: 20%}
clock: 1 GHz
levels:
  - {name: dram, kind: memory, size: 1 GiB, bandwidth: {measured: 10 GB/s, datasheet: 12 GB/s}}
  - {name: core, kind: group, count: 2}
  - {name: l1, kind: cache, size: 32 KiB, bandwidth: 16 B/cy}
units:
  - {name: alu, at: l1, functions: [matmul, add], rate: {f32: 8 op/cy}}
peak: {f32: 16 GFLOP/s}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(DEVICE)
    return path


def test_numbers_are_found_where_they_are_stated(small: Path) -> None:
    numbers = stated_numbers(load_machine(small))
    assert numbers["levels.l1.size"] == "32 KiB" and numbers["levels.core.count"] == 2
    assert numbers["levels.dram.bandwidth"] == "10 GB/s"  # the measured one counts
    assert numbers["units.alu.rate.f32"] == "8 op/cy"
    assert not {"hw", "source.spread", "levels.l1.name"} & numbers.keys()


def test_a_changed_machine_is_the_one_that_a_changed_file_gives(small: Path, tmp_path: Path) -> None:
    changed = with_values(load_machine(small), {"levels.l1.size": "48 KiB", "levels.dram.bandwidth": "31 GB/s"})
    device = changed.members[changed.host].device
    assert (device.level("l1").size, device.level("dram").bandwidth) == (48 * 1024, 31e9)
    assert load_machine(small).members["host"].device.level("l1").size == 32 * 1024


def test_a_replaced_number_keeps_its_origin_and_spread(small: Path) -> None:
    changed = with_values(load_machine(small), {"levels.dram.bandwidth": "31 GB/s", "levels.l1.size": "16 KiB"})
    device = changed.members["host"].device
    assert device.trust("levels.dram.bandwidth").kind == "measured"
    assert device.trust("levels.l1.size").spread == 0.2


def test_a_stated_peak_goes_with_what_it_follows_from(small: Path) -> None:
    """Three cores instead of two: the old sum would contradict them."""
    device = with_values(load_machine(small), {"levels.core.count": 3}).members["host"].device
    assert device.peak_rate("f32") == 24e9 and not device.peak
    assert with_values(load_machine(small), {"levels.l1.size": "16 KiB"}).members["host"].device.peak


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("levels.l1.siz", "1 KiB", ("levels.l1.siz", "did you mean 'levels.l1.size'")),
        ("levels.l1.size", "2 GiB", ("levels.l1.size", "larger than 'dram' around it")),
        ("levels.l1.size", "3 GB/s", ("an amount of memory",)),
        ("levels.core.count", 1.5, ("whole number",)),
        ("peak.f32", "99 GFLOP/s", ("peak.f32", "16 Gop/s")),
    ],
)
def test_what_cannot_be_is_refused(small: Path, key: str, value: str | float, parts: tuple[str, ...]) -> None:
    with pytest.raises(HardwareFileError) as refused:
        with_values(load_machine(small), {key: value})
    for part in parts:
        assert part in str(refused.value)


def test_units_are_told_apart_from_contradictions(small: Path) -> None:
    machine = load_machine(small)
    assert "an amount of memory" in unit_problems(machine, "levels.l1.size", "3 GB/s")[0].message
    assert not unit_problems(machine, "levels.l1.size", "2 GiB")


@pytest.mark.parametrize("name", ["h100-sxm", "cpu-upmem", "a100-node", "mi300x-node", "generic-avx512"])
def test_a_machine_with_its_own_numbers_is_the_same(name: str) -> None:
    machine = load_machine(name)
    numbers = stated_numbers(machine)
    again = with_values(machine, {key: value for key, value in numbers.items() if "peak" not in key.split(".")})
    for member, before in machine.members.items():
        after = again.members[member].device
        assert (after.levels, [u.rate for u in after.units]) == (
            before.device.levels,
            [u.rate for u in before.device.units],
        )


def test_devices_of_a_system_are_told_apart_by_member() -> None:
    machine = load_machine("cpu-upmem")
    member = next(name for name in machine.members if name != machine.host)
    key = f"members.{member}.clock"
    changed = with_values(machine, {key: "1 GHz"})
    assert changed.members[member].device.clock == 1e9
    assert changed.members[machine.host].device.clock == machine.members[machine.host].device.clock
    assert stated(changed, key) == "1 GHz"
    with pytest.raises(HardwareFileError, match="states no such number"):
        with_values(machine, {"levels.l1.size": "1 KiB"})
