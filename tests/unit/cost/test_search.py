"""The search for plans: all that can run are tried, the fastest that fits wins."""

from __future__ import annotations

import pytest

from stratagem.compiler.cost.model import Model, model_of
from stratagem.compiler.cost.search import best_plan, divisors, plans, step_cost
from stratagem.compiler.cost.simulate import Simulator, Span
from stratagem.compiler.cost.step import plan_refusal
from stratagem.compiler.cost.transformer import Architecture, Transformer
from stratagem.hwmodels import System, load_machine
from stratagem.hwmodels.need import MissingNumberError
from stratagem.runtime.errors import HardwareError, UsageError
from tests.unit.cost.conftest import Write

SMALL = Transformer("small", Architecture(hidden=512, layers=12, heads=8, sequence=256, vocabulary=1000), "bf16")
LARGE = Transformer("large", Architecture(hidden=8192, layers=48, heads=64, sequence=2048, vocabulary=51200), "bf16")


@pytest.mark.parametrize(("number", "expected"), [(1, [1]), (7, [1, 7]), (12, [1, 2, 3, 4, 6, 12]), (9, [1, 3, 9])])
def test_divisors(number: int, expected: list[int]) -> None:
    assert divisors(number) == expected


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_every_plan_of_the_family_can_run(model: Model, mode: str) -> None:
    found = list(plans(model, SMALL, 24, 48, mode))
    assert len(found) == len(set(found)) > 20
    assert all(plan.devices == 24 and plan_refusal(model, SMALL, plan) == "" for plan in found)
    assert {plan.tensor for plan in found} == {1, 2, 4, 8}


def test_the_fastest_that_fits_is_taken(model: Model) -> None:
    found = best_plan(model, LARGE, 64, 128, "training")
    assert found is not None and found.cost.fits
    for plan in plans(model, LARGE, 64, 128, "training"):
        cost = step_cost(model, LARGE, plan, "training")
        assert not cost.fits or cost.seconds >= found.cost.seconds


def test_what_fits_nowhere_is_told_with_the_least_memory(model: Model) -> None:
    found = best_plan(model, LARGE, 2, 2, "training")
    assert found is not None and not found.cost.fits
    least = min(
        step_cost(model, LARGE, plan, "training").memory_bytes for plan in plans(model, LARGE, 2, 2, "training")
    )
    assert found.cost.memory_bytes == least > found.cost.capacity


def test_no_plan_at_all(model: Model, grid: System) -> None:
    assert best_plan(model, SMALL, 13, 4, "training") is None
    with pytest.raises(HardwareError, match="no plan shares 12 layers and a batch of 4"):
        Simulator(grid, SMALL).run(13, 4)


def test_plans_take_what_the_system_has(write: Write) -> None:
    path = write(("  all_reduce: {algorithms: [ring, tree]}\n", ""))
    model = model_of(load_machine(path), "bf16")
    found = list(plans(model, SMALL, 8, 16, "training"))
    assert found and all(plan.pipeline == 1 and (plan.shard or plan.data == 1) for plan in found)
    gone = write(("  all_reduce: {algorithms: [ring, tree]}\n", ""), ("  all_gather: {algorithms: [ring]}\n", ""))
    with pytest.raises(HardwareError, match="does not have all_"):
        Simulator(load_machine(gone), SMALL).run(8, 16)


def test_thousands_of_devices_without_a_backend(grid: System) -> None:
    result = Simulator(grid, LARGE).run(16384, 16384)
    assert result.cost.fits and result.plan.devices == 16384
    assert result.seconds.low < result.seconds.value < result.seconds.high
    for amount in (result.joules, result.dollars, result.kilograms):
        assert isinstance(amount, Span) and amount.low < amount.value < amount.high


def test_more_devices_than_there_are(grid: System) -> None:
    with pytest.raises(HardwareError, match=r"16400 devices are asked for, and system 'grid' has 16384 of 'chip'"):
        Simulator(grid, SMALL).run(16400, 16400)


def test_the_least_trusted_number_that_is_felt(write: Write) -> None:
    guess = "launch: {value: 2 us, kind: projected, spread: 90%}"
    system = load_machine(write(("launch: 2 us", guess)))
    small, large = (Simulator(system, workload).run(8, 64) for workload in (SMALL, LARGE))
    assert small.weakest is not None and small.weakest.key == "lattice: launch"
    assert large.weakest is not None and large.weakest.key != "lattice: launch"  # kernels are long: it is not felt
    first = small.influences[0]
    assert first.slower == max(item.slower for item in small.influences) > 0.01


def test_one_bad_number_is_within_the_range_of_all(grid: System) -> None:
    result = Simulator(grid, SMALL).run(8, 64)
    most = result.seconds.high / result.seconds.value - 1
    assert 0 < result.influences[0].slower <= most


def test_a_missing_energy_leaves_the_time(write: Write) -> None:
    result = Simulator(load_machine(write(("idle: 50 W, ", ""))), SMALL).run(8, 64)
    assert result.seconds.value > 0
    assert isinstance(result.joules, str) and "lattice: power.idle" in result.joules
    assert isinstance(result.kilograms, str)
    assert isinstance(result.dollars, Span)


def test_a_missing_bandwidth_leaves_nothing(write: Write) -> None:
    with pytest.raises(MissingNumberError, match=r"tiers\.net\.link\.bandwidth"):
        Simulator(load_machine(write(("bandwidth: 20 GB/s, ", ""))), SMALL)


def test_members_are_chosen_by_speed_or_by_name(grid: System) -> None:
    assert model_of(grid, "bf16").member == "chip"
    assert model_of(grid, "f32", "host").member == "host"
    with pytest.raises(UsageError, match="has no member 'gpu'"):
        model_of(grid, "bf16", "gpu")


def test_faster_links_never_slow_the_best_plan(write: Write) -> None:
    times = []
    for bandwidth in ("20 GB/s", "40 GB/s", "80 GB/s"):
        system = load_machine(write(("bandwidth: 20 GB/s", f"bandwidth: {bandwidth}")))
        found = best_plan(model_of(system, "bf16"), LARGE, 64, 64, "training")
        assert found is not None
        times.append(found.cost.seconds)
    assert times[0] > times[1] > times[2]
