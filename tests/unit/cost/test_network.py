"""Which tiers a group of ranks spans, and what a system must give for that."""

from __future__ import annotations

import pytest

from stratagem.compiler.cost.figures import Figures
from stratagem.compiler.cost.model import Model
from stratagem.compiler.cost.network import network_of
from stratagem.hwmodels import load_machine
from stratagem.hwmodels.need import MissingNumberError
from stratagem.runtime.errors import HardwareError
from tests.unit.cost.conftest import Write


@pytest.mark.parametrize(
    ("ranks", "stride", "expected"),
    [
        (1, 1, []),
        (8, 1, [("board", 8)]),
        (3, 1, [("board", 3)]),
        (16, 1, [("board", 8), ("net", 2)]),
        (9, 1, [("board", 8), ("net", 2)]),
        (4, 8, [("net", 4)]),
        (4, 4, [("board", 2), ("net", 2)]),
        (2, 16383, [("net", 2)]),
        (16384, 1, [("board", 8), ("net", 2048)]),
    ],
)
def test_groups_span_tiers(model: Model, ranks: int, stride: int, expected: list[tuple[str, int]]) -> None:
    assert [(hop.tier, hop.ranks) for hop in model.network.hops(ranks, stride)] == expected


def test_more_ranks_than_devices_are_refused_with_both_numbers(model: Model) -> None:
    with pytest.raises(HardwareError, match=r"16385 devices.*joins 16384"):
        model.network.hops(16385, 1)


def test_a_link_that_is_not_each_members_own_is_shared(write: Write) -> None:
    shared = write((", energy: 100 pJ/B, per: chip}", ", energy: 100 pJ/B}"))
    network = network_of(load_machine(shared), "chip", Figures())
    assert network.rungs[1].hop.bandwidth == pytest.approx(20e9 / 8)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ((", latency: 10 us", ""), "grid: tiers.net.link.latency"),
        (("bandwidth: 20 GB/s, ", ""), "grid: tiers.net.link.bandwidth"),
    ],
)
def test_a_link_without_numbers_is_refused_by_name(write: Write, change: tuple[str, str], key: str) -> None:
    with pytest.raises(MissingNumberError, match=f"{key}: 'time of a transfer over tier 'net''"):
        network_of(load_machine(write(change)), "chip", Figures())


def test_a_primitive_that_is_not_there_is_refused_by_name(model: Model) -> None:
    with pytest.raises(MissingNumberError, match=r"grid: primitives\.all_to_all"):
        model.network.seconds("all_to_all", 1.0, 2, 1)


def test_an_algorithm_that_cannot_do_it_is_refused(write: Write) -> None:
    path = write(("all_gather: {algorithms: [ring]}", "all_gather: {algorithms: [tree]}"))
    network = network_of(load_machine(path), "chip", Figures())
    with pytest.raises(HardwareError, match="none of the algorithms tree does all_gather"):
        network.seconds("all_gather", 1e6, 4, 1)


def test_messages_take_the_slowest_link_of_a_chain(model: Model) -> None:
    assert model.network.message(2e9, 1, 8) == pytest.approx(2e-6 + 2 / 200)
    assert model.network.message(2e9, 4, 8) == pytest.approx(10e-6 + 2 / 20)
    assert model.network.message(2e9, 8, 1) == 0


def test_energy_is_that_of_the_outermost_tier(model: Model) -> None:
    assert model.network.joules(1e9, 8, 1) == pytest.approx(1e9 * 10e-12)
    assert model.network.joules(1e9, 16, 1) == pytest.approx(1e9 * 100e-12)
    assert model.network.joules(1e9, 1, 1) == 0


def test_energy_that_is_not_given_is_refused(write: Write) -> None:
    path = write((", energy: 100 pJ/B, per: chip}", ", per: chip}"))
    network = network_of(load_machine(path), "chip", Figures())
    with pytest.raises(MissingNumberError, match=r"tiers\.net\.link\.energy"):
        network.joules(1.0, 16, 1)
