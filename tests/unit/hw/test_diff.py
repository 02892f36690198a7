"""`stratagem hw diff`: keys that differ, figures that follow, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from stratagem.cli.hw import hw_group
from stratagem.hwmodels import HardwareFileError, load_device, load_machine
from stratagem.hwmodels.diff import difference_lines, differences

Write = Callable[..., Path]


def run(*arguments: str) -> Result:
    """Runs `stratagem hw`."""
    return CliRunner().invoke(hw_group, list(arguments))


def test_keys_and_what_follows(write: Write) -> None:
    left = load_device(write())
    right = load_device(write(("10 GB/s", "20 GB/s"), ("idle: 1 W", "idle: 2 W"), ("size: 32 KiB", "size: 64 KiB")))
    found = {difference.path: difference for difference in differences(left, right)}
    keys = [path for path, difference in found.items() if not difference.derived]
    assert keys == ["levels.dram.bandwidth", "levels.l1.size", "power.idle"]
    derived = [path for path, difference in found.items() if difference.derived]
    assert derived == ["bandwidth of all.dram", "balance.dram.f32"]
    assert found["levels.dram.bandwidth"].ratio == 2
    assert found["balance.dram.f32"].ratio == 0.5


def test_spellings_are_no_difference(write: Write) -> None:
    left = load_device(write())
    right = load_device(write(("80 ns", "0.08 us"), ("kind: datasheet", "kind: assumed"), ("64 B/cy", "128 GB/s")))
    assert differences(left, right) == []
    assert list(difference_lines(left, right)) == ["tiny and tiny are the same"]


def test_what_one_side_lacks(write: Write) -> None:
    left = load_device(write())
    right = load_device(write(("    energy: {f32: 4 pJ/op}\n", "")))
    (found,) = differences(left, right)
    assert (found.path, found.left, found.right, found.ratio) == ("units.fma.energy.f32", 4e-12, None, None)
    assert any(
        line.split()[:4] == ["units.fma.energy.f32", "4", "pJ/op", "-"] for line in difference_lines(left, right)
    )


def test_systems_down_to_their_devices(write: Write, system_text: str) -> None:
    write()
    left = load_machine(write(text=system_text, name="pair.yaml"))
    changed = write(("count: 2, of", "count: 3, of"), ("mesh: {node: 2}\n", ""), text=system_text, name="three.yaml")
    found = {difference.path: difference for difference in differences(left, load_machine(changed))}
    assert (found["members.host.count"].left, found["members.host.count"].right) == (2, 3)
    assert found["tiers.node.count"].ratio == 1.5
    assert found["totals.power"].derived
    assert not any(path.startswith("members.host.device") for path in found)


def test_command() -> None:
    lines = run("diff", "h100", "h200-sxm").output.splitlines()
    assert lines[0].split() == ["key", "h100", "h200-sxm", "ratio"]
    assert ["levels.hbm.bandwidth", "3.352", "TB/s", "4.8", "TB/s", "1.43"] in [line.split() for line in lines]
    assert ["levels.hbm.pins.rate", "5.238", "Gbit/s", "6.25", "Gbit/s", "1.19"] in [line.split() for line in lines]
    found = json.loads(run("diff", "h100", "h200-sxm", "--json").output)
    assert {"path": "power.idle", "left": 70, "right": 75, "derived": False, "ratio": 75 / 70} in found
    assert run("diff", "h100", "h100-sxm").output == "h100 and h100-sxm are the same\n"


def test_a_device_is_no_system() -> None:
    result = run("diff", "h100", "h100-node")
    assert isinstance(result.exception, HardwareFileError)
    assert "one is a device and the other a system" in str(result.exception)
