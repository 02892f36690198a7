"""Tiers of unlike things, paths beside the tiers, switches, and what a whole system adds up to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stratagem.hwmodels import System, check_file, load_machine
from stratagem.hwmodels.derive import operations_per_byte, totals
from stratagem.hwmodels.picture import system_picture

Write = Callable[..., Path]

MIXED = """\
hw: 1
system: mixed
source: {kind: assumed}
members: {host: tiny, big: tiny, small: tiny}
tiers:
  - {name: net, count: 3, of: node, link: {bandwidth: 1 GB/s, power: 5 W, per: node}, switch: {power: 50 W}}
  - name: node
    of: {big: 4, small: 6}
    with: {host: 1}
    link: {ports: {count: 2, rate: 4 Gbit/s}, per: big}
links:
  - {from: host, to: node, name: control, bandwidth: 100 MB/s, power: 1 W}
  - {from: big, to: small, count: 36, bandwidth: 1 GB/s}
cost: {capex: 1 kUSD, per: big, lifetime: 4 year, pue: 1.5, carbon: 360 g/kWh}
"""


@pytest.fixture
def mixed(write: Write) -> Callable[..., Path]:
    """Writes the system of unlike members."""
    write()

    def write_mixed(*changes: tuple[str, str]) -> Path:
        return write(*changes, text=MIXED, name="mixed.yaml")

    return write_mixed


def first_problem(path: Path) -> str:
    return str(check_file(path)[0])


def test_a_tier_of_unlike_things(mixed: Callable[..., Path]) -> None:
    system = load_machine(mixed())
    assert {name: member.count for name, member in system.members.items()} == {"host": 3, "big": 12, "small": 18}
    node = system.tier("node")
    assert (node.of, node.count, dict(node.joined)) == (None, 10, {"big": 4, "small": 6})
    assert system.mesh == (("net", 3), ("node", 10))
    assert (system.groups("net"), system.groups("node"), system.places("small")) == (1, 3, 18)
    assert node.link.bandwidth == 1e9
    assert system.trust("tiers.node.link.bandwidth").kind == "assumed"


def test_unlike_inner_tiers(mixed: Callable[..., Path]) -> None:
    tiers = MIXED[MIXED.index("tiers:") : MIXED.index("links:")]
    nested = """\
tiers:
  - {name: net, of: {thick: 4, thin: 6}}
  - {name: thick, count: 8, of: big}
  - {name: thin, count: 2, of: small}
"""
    links = MIXED[MIXED.index("links:") : MIXED.index("cost:")]
    system = load_machine(mixed((tiers, nested), (links, "")))
    assert (system.member("big").count, system.member("small").count) == (32, 12)
    assert system.mesh == (("net", 10),)


def test_paths_beside_the_tiers(mixed: Callable[..., Path]) -> None:
    control, cross = load_machine(mixed()).links
    assert (control.source, control.target, control.name, control.count) == ("host", "node", "control", 3)
    assert (cross.count, cross.link.bandwidth) == (36, 1e9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("count: 3, of: node", "of: node", "tiers.net: the key 'count' is missing; give it, or a map of members"),
        (
            "name: node\n",
            "name: node\n    count: 11\n",
            "tiers.node.count: 11 are stated, and 'of' has 10 (4 big + 6 s",
        ),
        ("small: 6}", "smal: 6}", "tiers.node.of.smal: 'smal' is no member and no tier further in; did you mean"),
        ("with: {host: 1}", "with: {big: 1}", "tiers.node: 'big' is joined by the tier 'node' already"),
        ("name: net", "name: big", "tiers.big.name: a member is called 'big', too; give the tier another name"),
        ("to: small", "to: smal", "'smal' is no member and no tier; did you mean 'small'?"),
        ("count: 36", "count: 35", "35 links do not spread evenly over 12 'big'"),
        ("per: big, lifetime", "per: bog, lifetime", "cost.per: no member is called 'bog'; did you mean 'big'?"),
        ("per: big}", "per: bog}", "tiers.node.link.per: 'bog' is no member and no tier; did you mean 'big'?"),
        ("switch: {", "topology: ring, switch: {", "tiers.net.switch: a ring has no switch; write 'topology: switch'"),
        ("4 year", "4 years", "the unit 'years' is ambiguous; write year"),
        ("4 year", "4", "the number 4 has no unit; write a time such as 4 year"),
        ("{power: 50 W}", "{power: 50 W, prots: 3}", "unknown key 'prots'; did you mean 'ports'?"),
        ("rate: 4 Gbit/s}", "rate: 4 Gbit/s}, bandwidth: 1.1 GB/s", "1.1 GB/s, but 2 ports at 4 Gbit/s carry 1 GB/s"),
    ],
)
def test_what_does_not_fit(mixed: Callable[..., Path], old: str, new: str, message: str) -> None:
    found = [str(problem) for problem in check_file(mixed((old, new)))]
    assert any(message in problem for problem in found), found


def test_unknown_keys_and_inconsistencies_are_told_at_once(write: Write) -> None:
    path = write(("latency: 80 ns", "latencee: 80 ns"), ("128 GFLOP/s", "131 GFLOP/s"), ("at: vreg", "at: verg"))
    found = [problem.path for problem in check_file(path)]
    assert found == ["levels.dram.latencee", "units.fma.at"]  # a peak is derived where all units have their place
    path = write(("latency: 80 ns", "latencee: 80 ns"), ("128 GFLOP/s", "131 GFLOP/s"), ("idle: 1 W", "idle: 30 W"))
    assert [problem.path for problem in check_file(path)] == ["levels.dram.latencee", "peak.f32", "power.idle"]


def system_of(path: Path) -> System:
    return load_machine(path)


def test_totals(mixed: Callable[..., Path]) -> None:
    system = system_of(mixed())
    found = totals(system)
    assert found.peak == {"f32": 33 * 128e9}
    assert found.memory == 33 * 2**30
    assert found.power == 33 * 20 + 3 * 5 + 50 + 3 * 1  # devices, links of tier net, its switch, control links
    assert found.idle == 33 * 1 + 3 * 5 + 50 + 3 * 1
    assert found.power_with_cooling == pytest.approx(1.5 * 728)
    assert system.cost["capex"] == 12_000
    assert found.money_rate == pytest.approx(12_000 / (4 * 365.25 * 86400))
    assert found.carbon_rate == pytest.approx(1.5 * 728 * 0.36 / 3.6e6)
    assert found.embodied is None


def test_totals_do_not_guess(mixed: Callable[..., Path]) -> None:
    system = system_of(mixed((", lifetime: 4 year, pue: 1.5", "")))
    found = totals(system)
    assert (found.power_with_cooling, found.carbon_rate, found.money_rate) == (None, None, None)
    member = system.members["big"]
    silent = replace(member, device=replace(member.device, power=replace(member.device.power, max=None)))
    assert totals(replace(system, members={**system.members, "big": silent})).power is None


def test_balance_of_a_boundary(mixed: Callable[..., Path]) -> None:
    system = system_of(mixed())
    assert operations_per_byte(system, system.tier("node")) == (128, "f32")
    assert operations_per_byte(system, system.tier("net")) == (4 * 128, "f32")
    silent = replace(system.tier("node"), link=replace(system.tier("node").link, bandwidth=None))
    assert operations_per_byte(system, silent) is None


def test_picture(mixed: Callable[..., Path]) -> None:
    assert list(system_picture(system_of(mixed()))) == [
        "mixed",
        "`-- net: switch, 1 GB/s per node",
        "    `-- 3 x node: switch, 1 GB/s per big (2 ports)",
        "        |-- 4 x big: tiny (12 in all)",
        "        |-- 6 x small: tiny (18 in all)",
        "        `-- host: tiny (3 in all)",
        "host <-> node: 3 x control, 100 MB/s",
        "big <-> small: 36 x link, 1 GB/s",
    ]
