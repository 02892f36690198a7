"""`stratagem hw probe --measure`, and what target `cpu` makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stratagem.api.compiling import load_target
from stratagem.compiler import knobs
from stratagem.compiler.probe.store import calibration_path
from stratagem.hwmodels import load_calibration
from stratagem.runtime.errors import HardwareError
from tests.run.cli.conftest import Cli


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path) -> Iterator[None]:
    with knobs.scope(cache=str(tmp_path / "cache")):
        yield


def test_the_target_cpu_takes_what_was_measured(cli: Cli) -> None:
    before = load_target("cpu").members["host"].device
    shown = cli("hw", "probe", "--measure", "--seconds", "0.01")
    path = calibration_path()
    assert path is not None and str(path) in shown.out and "leave-one-out error" in shown.out
    found, device = load_calibration(path), load_target("cpu").members["host"].device
    unit = next(u for u in device.units if u.name == "fma")
    assert device.unit_rate(unit, "f32") == pytest.approx(found.rates["fma"]["f32"])
    assert device.trust("levels.dram.bandwidth").kind == "measured" != before.trust("levels.dram.bandwidth").kind
    assert device.level_bandwidth("l1") == pytest.approx(found.levels["l1"].bandwidth)
    assert len(found.samples) >= 3 and found.scaling[1] == 1.0
    path.write_text("hw: 1\ncalibration: broken\n")
    with pytest.raises(HardwareError, match=r"cpu-.*\.yaml"):
        load_target("cpu")


def test_without_a_cache_a_file_must_be_named(cli: Cli) -> None:
    with knobs.scope(cache="off"):
        cli("hw", "probe", "--measure").refused(1, "STRATAGEM_CACHE is off", "give -o FILE")
