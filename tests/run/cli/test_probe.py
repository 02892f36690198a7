"""`stratagem hw probe --measure`, and what target `cpu` makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stratagem.api.compiling import load_target
from stratagem.compiler import knobs
from stratagem.compiler.probe.store import calibration_path, device_calibration_path
from stratagem.hwmodels import load_calibration
from stratagem.runtime.errors import HardwareError
from tests.run.cli.conftest import Cli
from tests.unit.gpu.support import needs_triton

GPT = Path(__file__).parents[3] / "examples/architectures/gpt-175b.yaml"


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


@needs_triton
def test_a_simulated_probe_says_so_and_is_not_used(cli: Cli, tmp_path: Path) -> None:
    shown = cli("hw", "probe", "--target", "h100-sxm", "--simulate", "-o", "found.yaml")
    assert shown.code == 0 and shown.out.startswith("SIMULATED from the description of 'h100-sxm': no device ran")
    assert "(simulated, not measured)" in shown.out and "leave-one-out error" in shown.out
    assert "wrote found.yaml" in shown.out and "use it" not in shown.out
    assert load_calibration(tmp_path / "found.yaml").source.kind == "simulated"
    path = device_calibration_path("h100-sxm")
    assert path is not None and not path.exists()


def test_without_a_gpu_nothing_is_measured(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratagem.compiler.probe.gpu.clocks.lacking", lambda library: "no CUDA driver (it is a test)")
    refused = cli("hw", "probe", "--target", "h100-sxm")
    refused.refused(9, "a GPU is to be measured, and here is no CUDA driver (it is a test)", "--simulate")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "generic-avx2"), "'generic-avx2' is for backend 'cpu'"),
        (("--target", "h100-sxm", "--measure"), "choose one"),
        (("--target", "h100-sxm", "--links"), "choose one"),
        (("--simulate",), "give --target"),
        (("--target", "h100-node"), "a device is due, and this is system 'h100-node'"),
    ],
)
def test_what_cannot_be_probed_is_refused(cli: Cli, options: tuple[str, ...], message: str) -> None:
    outcome = cli("hw", "probe", *options)
    assert outcome.code != 0 and message in outcome.err and outcome.out == ""


CALIBRATION = """\
hw: 1
calibration: mine
device: h100-sxm
source: {kind: measured, note: a test}
launch: 3 us
levels: [{level: hbm, bandwidth: 3 TB/s}]
units: [{unit: tensor, dtype: bf16, rate: 700 TFLOP/s}]
"""


@pytest.mark.parametrize(("target", "member"), [("h100-sxm", "device"), ("h100-node", "gpu")])
def test_targets_and_systems_take_what_was_measured_of_their_device(target: str, member: str) -> None:
    before, path = load_target(target), device_calibration_path("h100-sxm")
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text(CALIBRATION)
    after = load_target(target)
    device = after.members[member].device
    assert (device.launch, device.level_bandwidth("hbm")) == (3e-6, 3e12)
    assert device.unit_rate(next(u for u in device.units if u.name == "tensor"), "bf16") == pytest.approx(700e12)
    assert after.digest != before.digest and after.members[after.host] == before.members[before.host]
    path.write_text(CALIBRATION.replace("level: hbm", "level: dram"))
    with pytest.raises(HardwareError, match="h100-sxm has no memory 'dram'"):
        load_target(target)


def test_costs_follow_what_was_measured_of_a_device(cli: Cli) -> None:
    arguments = ("simulate", GPT, "--system", "h100-node", "--devices", "8", "--batch", "8", "--json")
    before, path = cli(*arguments).json, device_calibration_path("h100-sxm")
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text(CALIBRATION.replace("700 TFLOP/s", "70 TFLOP/s"))
    after = cli(*arguments).json
    low, high = (found["results"][0]["seconds"]["low"] for found in (before, after))
    assert high > 3 * low


def test_without_a_cache_a_file_must_be_named(cli: Cli) -> None:
    with knobs.scope(cache="off"):
        cli("hw", "probe", "--measure").refused(1, "STRATAGEM_CACHE is off", "give -o FILE")
