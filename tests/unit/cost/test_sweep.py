"""Variants of a machine: each point is a compile of its own, and the front is what nothing beats."""

from __future__ import annotations

import pytest

from stratagem.compiler.compile import compile_program
from stratagem.compiler.cost.axes import Axis, read_axis
from stratagem.compiler.cost.program import program_cost
from stratagem.compiler.cost.sweep import Point, check_objectives, rows, sweep, with_front
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import System, load_machine
from stratagem.hwmodels.need import MissingNumberError
from stratagem.hwmodels.override import with_values
from stratagem.runtime.errors import UsageError
from tests.unit.cost.test_program import MATMUL

TEXT = MATMUL.format(m=131, n=257, k=1021)
MACHINE = load_machine("generic-avx512")


def explored(varied: list[str], objectives: list[str], machine: System = MACHINE) -> list[Point]:
    axes = [read_axis(text, machine) for text in varied]
    return sweep(Program(parse_module(TEXT)), machine, axes, objectives)


def test_a_point_costs_what_a_compile_for_it_costs() -> None:
    points = explored(["levels.l2.size=128KiB,512KiB"], ["time", "energy", "edp", "levels.l2.size"])
    for point in points:
        machine = with_values(MACHINE, point.values)
        compiled = compile_program(Program(parse_module(TEXT)), machine, until="device")
        cost = program_cost(parse_module(compiled.levels["device"]), machine)
        assert point.objectives["time"] == cost.seconds
        assert point.objectives["energy"] == cost.joules
        assert point.objectives["edp"] == pytest.approx(cost.seconds * point.objectives["energy"])
    assert [point.objectives["levels.l2.size"] for point in points] == [128 * 1024, 512 * 1024]
    assert points[0].objectives["time"] != points[1].objectives["time"]


def test_points_that_contradict_themselves_stay_with_a_reason() -> None:
    points = explored(["levels.l2.size=16KiB,1MiB,64MiB"], ["time"])
    assert [bool(point.problem) for point in points] == [True, False, True]
    assert "larger than 'l2' around it" in points[0].problem and "'l3'" in points[2].problem
    assert not points[0].objectives and not points[0].front and points[1].front
    assert len(list(rows(points, [Axis("levels.l2.size", ())], ["time"]))) == 4


def test_more_cores_are_faster_and_every_combination_is_there() -> None:
    points = explored(["levels.core.count=2,3,4", "levels.dram.bandwidth=80GB/s,100GB/s"], ["time"])
    assert len(points) == 6 and not any(point.problem for point in points)
    times = {(p.values["levels.core.count"], p.values["levels.dram.bandwidth"]): p.objectives["time"] for p in points}
    assert times[2, "100GB/s"] > times[3, "100GB/s"] > times[4, "100GB/s"]


def test_the_front() -> None:
    """Areas against times: the second point is beaten by the first, the last two are equal."""
    numbers = [(1.0, 9.0), (1.0, 10.0), (5.0, 5.0), (6.0, 5.5), (9.0, 1.0), (9.0, 1.0)]
    points = [Point({}, {"time": t, "area": a}) for t, a in numbers] + [Point({}, {}, "cannot be")]
    assert [p.front for p in with_front(points)] == [True, False, True, False, True, True, False]


def test_energy_needs_the_idle_power() -> None:
    with pytest.raises(MissingNumberError) as refused:
        explored(["levels.l1.size=16KiB,32KiB"], ["energy"], load_machine("cpu"))
    assert "power.idle" in str(refused.value) and "energy of a run" in str(refused.value)


def test_objectives_are_known_ones() -> None:
    check_objectives(["time", "edp", "levels.l2.size"], [Axis("levels.l2.size", (1,))])
    with pytest.raises(UsageError, match="no objective 'tme'") as refused:
        check_objectives(["tme"], [Axis("levels.l2.size", (1,))])
    assert "levels.l2.size" in str(refused.value)


def test_too_many_points_are_refused() -> None:
    axes = [Axis(f"k{n}", tuple(range(1, 18))) for n in range(3)]
    with pytest.raises(UsageError, match="4913 points are more than 4096"):
        sweep(Program(parse_module(TEXT)), MACHINE, axes, ["time"])
