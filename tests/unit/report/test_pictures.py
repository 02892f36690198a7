"""Plots of sweeps, and hardware as boxes."""

from __future__ import annotations

import itertools
from typing import Any
from xml.etree import ElementTree

import pytest

from stratagem.hwmodels import load_machine
from stratagem.report.hardware import boxes
from stratagem.report.plot import HEIGHT, WIDTH, Mark, scatter

SPACE = "{http://www.w3.org/2000/svg}"


def circles(svg: str) -> list[tuple[float, float, str, str]]:
    found = ElementTree.fromstring(svg).iter(f"{SPACE}circle")
    return [(float(c.attrib["cx"]), float(c.attrib["cy"]), c.attrib["class"], c[0].text or "") for c in found]


def test_points_lie_by_their_logarithms() -> None:
    marks = [Mark(10.0**n, 10.0 ** (3 - n), f"p{n}", False) for n in range(4)]
    placed = circles(scatter(marks, ("energy", "J"), ("time", "s")))
    steps = [b[0] - a[0] for a, b in itertools.pairwise(placed)]
    falls = [b[1] - a[1] for a, b in itertools.pairwise(placed)]
    assert steps == [pytest.approx(steps[0], abs=0.2)] * 3 and steps[0] > 0
    assert falls == [pytest.approx(falls[0], abs=0.2)] * 3 and falls[0] > 0  # downwards is less
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y, _, _ in placed)


def test_the_front_is_joined_and_marked() -> None:
    marks = [Mark(1, 3, "a", True), Mark(2, 2, "b", True), Mark(3, 4, "c", False)]
    svg = scatter(marks, ("x", ""), ("y", ""))
    assert sorted(c[2:] for c in circles(svg)) == [("sweep-front", "a"), ("sweep-front", "b"), ("sweep-point", "c")]
    lines = [p for p in ElementTree.fromstring(svg).iter(f"{SPACE}path") if p.attrib["class"] == "sweep-line"]
    assert len(lines) == 1 and lines[0].attrib["d"].count("L") == 1


def test_one_point_and_hostile_names() -> None:
    svg = scatter([Mark(5.0, 7.0, '</title><script>"', True)], ("<a>", "J"), ('"b"', "s"))
    root = ElementTree.fromstring(svg)
    assert circles(svg)[0][3] == '</title><script>"'
    assert not list(root.iter(f"{SPACE}script")) and root.attrib["aria-label"] == '"b" against <a>'


def named(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The first box of a name, wherever it lies."""
    for box in found:
        if box["name"] == name:
            return box
        try:
            return named(box["inside"], name)
        except KeyError:
            continue
    raise KeyError(name)


def test_levels_lie_in_groups_and_units_at_their_level() -> None:
    (host,) = boxes(load_machine("generic-avx512"))
    assert [box["name"] for box in host["inside"]] == ["dram", "l3", "core"]
    core = named([host], "core")
    assert core["count"] == 4 and [box["name"] for box in core["inside"]] == ["l2", "l1", "vreg"]
    assert named(core["inside"], "vreg")["inside"][0]["name"] == "fma"
    assert "76.8 GB/s" in named([host], "dram")["detail"] and "32 GiB" in named([host], "dram")["detail"]


def test_every_member_of_a_system_lies_in_its_tier() -> None:
    machine = load_machine("a100-node")
    drawn = boxes(machine)
    for name, member in machine.members.items():
        assert named(drawn, f"{name}: {member.device.name}")["kind"] == "device"
    tier = machine.tiers[0]
    inside = named(drawn, tier.name)["inside"]
    assert {(box["name"].split(":")[0], box["count"]) for box in inside} == {
        *tier.joined.items(),
        *tier.attached.items(),
    }
