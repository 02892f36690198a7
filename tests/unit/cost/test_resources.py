"""Joules, money and carbon: actions times energy, idle power times time, and refusals by name."""

from __future__ import annotations

import pytest

from stratagem.compiler.cost.model import Model, model_of
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.resources import dollars, joules, kilograms
from stratagem.compiler.cost.step import StepCost
from stratagem.hwmodels import load_machine
from stratagem.hwmodels.need import MissingNumberError
from tests.unit.cost.conftest import Write

COST = StepCost(1.0, 0.5, 0.25, 0.25, 1e9, 2e9, 1e12, 1e9, 1e6, 2e6, 3e6)
PLAN = Plan(tensor=8, data=4, pipeline=2)


def test_energy_is_actions_and_idle_time(model: Model) -> None:
    work = 1e12 * 0.5e-12 + 1e9 * 40e-12  # products, main memory
    sent = 1e6 * 10e-12 + 2e6 * 100e-12 + 3e6 * 100e-12  # tensor group on a board, the others over the net
    assert joules(model, PLAN, COST) == pytest.approx(64 * (work + sent + 50 * 2.0))


def test_money_is_the_devices_share_of_the_rent(model: Model) -> None:
    assert dollars(model, PLAN, COST) == pytest.approx(64 * 2.0 / 3600)


def test_money_without_rent_is_capital_over_its_lifetime(write: Write) -> None:
    path = write(("rent: 16384 USD/h", "capex: 32768 USD, lifetime: 1 year"))
    model = model_of(load_machine(path), "bf16")
    assert dollars(model, PLAN, COST) == pytest.approx(64 * 2 * 2.0 / model.system.cost["lifetime"])


def test_a_devices_own_rent_comes_first(write: Write) -> None:
    path = write(("power: {idle: 50 W", "cost: {rent: 3.6 USD/h}\npower: {idle: 50 W"))
    assert dollars(model_of(load_machine(path), "bf16"), PLAN, COST) == pytest.approx(64 * 2.0 * 0.001)


def test_carbon_is_that_of_the_whole_buildings_electricity(model: Model) -> None:
    assert kilograms(model, 3.6e6) == pytest.approx(1.5 * 0.36)


@pytest.mark.parametrize(
    ("change", "question", "key"),
    [
        ((", energy: 40 pJ/B", ""), "energy", r"lattice: levels\.hbm\.energy"),
        (("    energy: {bf16: 0.5 pJ/op}\n", ""), "energy", r"lattice: units\.matrix\.energy\.bf16"),
        (("idle: 50 W, ", ""), "energy", r"lattice: power\.idle"),
        (("rent: 16384 USD/h, ", ""), "money", r"grid: cost\.rent"),
        (("pue: 1.5, ", ""), "carbon", r"grid: cost\.pue"),
        ((", carbon: 0.36 kg/kWh", ""), "carbon", r"grid: cost\.carbon"),
    ],
)
def test_what_is_missing_is_refused_by_key_and_question(
    write: Write, change: tuple[str, str], question: str, key: str
) -> None:
    model = model_of(load_machine(write(change)), "bf16")
    ask = {
        "energy": lambda: joules(model, PLAN, COST),
        "money": lambda: dollars(model, PLAN, COST),
        "carbon": lambda: kilograms(model, 1.0),
    }
    with pytest.raises(MissingNumberError, match=f"{key}: '{question} of a step' needs"):
        ask[question]()
