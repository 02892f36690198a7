"""What the page is given of a run."""

from __future__ import annotations

import pytest

from stratagem.api.profiling import Measured
from stratagem.compiler.cost.influence import Influence
from stratagem.compiler.cost.program import CallCost, ProgramCost
from stratagem.compiler.schedule.cost import Seconds
from stratagem.hwmodels import load_machine
from stratagem.report.costs import bottleneck, call_times, cost_data, notes, number_data, roof_data
from tests.unit.report.conftest import call


def test_sums_of_a_run(cost: ProgramCost, found: list[Influence]) -> None:
    data = cost_data(cost, found, [None, None, None])
    assert data["seconds"] == pytest.approx(2 * (4.0 + 0.2 + 0.5) + 2.2)
    assert data["levels"] == {"dram": 500, "l1": 50}
    assert data["energy"] == {"fma": 6.0, "idle": pytest.approx(3.0 * data["seconds"])}
    assert data["joules"] == pytest.approx(sum(data["energy"].values())) and not data["energy_missing"]


def test_shares_follow_from_what_a_larger_number_does(cost: ProgramCost, found: list[Influence]) -> None:
    first, second, _ = cost_data(cost, found, [None] * 3)["calls"]
    assert first["shares"] == {"compute": [(0, pytest.approx(0.5))], "memory": [], "wait": [(1, pytest.approx(1.0))]}
    assert second["shares"] == {"compute": [], "memory": [], "wait": []}


def test_shares_of_a_part_are_at_most_all_of_it(cost: ProgramCost) -> None:
    """Two numbers that each take all of the computing along, as a rate and a latency behind a maximum may."""
    after = {"first": Seconds(4.0 / 1.1, 1.0, 0.5)}
    both = [Influence("host", key, 1.0, True, after) for key in ("units.a.rate.f32", "units.b.rate.f32")]
    shares = cost_data(cost, both, [None] * 3)["calls"][0]["shares"]["compute"]
    assert [share for _, share in shares] == [pytest.approx(0.5)] * 2


def test_numbers_say_how_much_a_run_changes(cost: ProgramCost, found: list[Influence]) -> None:
    machine = load_machine("generic-avx512")
    named = [Influence("generic-avx512", i.key, i.value, i.more_is_better, i.after) for i in found]
    rate, launch = number_data(machine, cost, named)
    assert rate["change"] == pytest.approx(-2 * 4.0 * 0.5 * (1 - 1 / 1.1))
    assert launch["change"] == pytest.approx(2 * 0.05)
    assert (rate["unit"], launch["unit"]) == ("op/s", "s")
    assert launch["origin"] == "assumed, ±40%" and launch["key"] == "launch"


def test_the_bottleneck_counts_what_nothing_hides(cost: ProgramCost) -> None:
    """Computing: 4 + 4 + 0.2 of 11.6 s."""
    assert bottleneck(cost) == "71% of the time is computing; the kernel first takes 81% of all."
    assert bottleneck(ProgramCost((), None, cost.weakest)) == "Nothing takes time."


def test_what_is_not_known_is_said(cost: ProgramCost) -> None:
    odd = CallCost("odd", "sequential", "host", "", "", Seconds(1, 0, 0), 1, 1)
    bare = ProgramCost((*cost.calls, odd), None, cost.weakest)
    assert not notes(cost) and notes(bare)[0].startswith("1 of 4 calls")
    data = cost_data(bare, [], [None] * 4)
    assert data["joules"] is None and "idle power" in data["energy_missing"][0]


def test_measured_times_go_to_calls_in_order(cost: ProgramCost) -> None:
    measured = {"first": Measured([1.5, 2.5], [None, None]), "second": Measured([9.0, 9.0], [None, None])}
    assert call_times(cost, measured) == [1.5, None, 2.5]
    assert call_times(cost, {}) == [None, None, None]


def test_roofs_are_of_levels_that_give_and_units_that_compute() -> None:
    machine = load_machine("generic-avx512")
    assert not roof_data(machine, ProgramCost((), None, ("", machine.members[machine.host].device.source)), ["f32"])
    one = call("k", "generic-avx512", Seconds(1, 1, 1), {"dram": 1, "l2": 1})
    (roofs,) = roof_data(
        machine, ProgramCost((one,), None, ("", machine.members["host"].device.source)), ["f32", "f16"]
    )
    assert [level["name"] for level in roofs["levels"]] == ["dram", "l2"]
    assert roofs["levels"][1]["bandwidth"] == 4 * 64 * 3e9
    assert roofs["peaks"] == {"fma f32": 768e9}
