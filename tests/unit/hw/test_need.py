"""A question whose number is missing is refused with the key and the question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stratagem.hwmodels import HardwareFileError, MissingNumberError, load_device, load_machine, needed

Write = Callable[..., Path]


def test_what_is_there(write: Write, system_text: str) -> None:
    device = load_device(write())
    assert needed(device, "levels.dram.latency", "anything") == pytest.approx(80e-9)
    assert needed(device, "units.fma.energy.f32", "anything") == pytest.approx(4e-12)
    assert needed(device, "power.idle", "anything") == 1
    system = load_machine(write(text=system_text, name="pair.yaml"))
    assert needed(system, "tiers.node.link.bandwidth", "anything") == 1e9


@pytest.mark.parametrize("path", ["levels.dram.energy", "launch", "units.fma.energy.i8", "cost.price"])
def test_what_is_missing(write: Write, path: str) -> None:
    with pytest.raises(MissingNumberError) as error:
        needed(load_device(write()), path, "energy of a kernel")
    assert (error.value.path, error.value.question) == (path, "energy of a kernel")
    assert f"tiny: {path}: 'energy of a kernel' needs this number" in str(error.value)
    assert isinstance(error.value, HardwareFileError)


def test_what_is_missing_of_a_system(write: Write, system_text: str) -> None:
    write()
    system = load_machine(write(text=system_text, name="pair.yaml"))
    with pytest.raises(MissingNumberError, match=r"pair: tiers.node.link.energy: 'energy of a transfer' needs"):
        needed(system, "tiers.node.link.energy", "energy of a transfer")
    with pytest.raises(MissingNumberError, match=r"cost.carbon"):
        needed(system, "cost.carbon", "carbon of a run")


@pytest.mark.parametrize("path", ["levels.dramm.energy", "leveles.dram", "power"])
def test_what_no_description_has(write: Write, path: str) -> None:
    with pytest.raises(KeyError):
        needed(load_device(write()), path, "anything")
