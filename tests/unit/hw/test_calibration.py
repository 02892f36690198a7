"""Calibration files: read, checked against their device, interpolated, and laid over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stratagem.hwmodels import HardwareFileError, check_file, dump_machine, load_calibration, load_device
from stratagem.hwmodels.calibrate import calibrated
from stratagem.hwmodels.describe_calibration import calibration_lines
from stratagem.hwmodels.model import LevelSample, Sample

Write = Callable[..., Path]

CALIBRATION = """\
hw: 1
calibration: tiny-measured
device: tiny
source: {kind: measured, note: this machine}
versions: {compiler: "1.0"}
launch: 2 us
levels:
  - {level: dram, bandwidth: 9 GB/s, latency: 100 ns}
  - {level: l1, bandwidth: 100 B/cy}
units: [{unit: fma, dtype: f32, rate: 90 GFLOP/s}]
links: [{direction: in, bandwidth: 5 GB/s, latency: 8 us}, {direction: out, bandwidth: 4 GB/s}]
scaling: [{threads: 1, speedup: 1}, {threads: 2, speedup: 1.9}]
samples:
  - {unit: fma, function: matmul, dtype: f32, size: [64, 64, 64], utilisation: 50%}
  - {unit: fma, function: matmul, dtype: f32, size: [128, 128, 128], utilisation: 70%, time: 1 ms}
  - {unit: fma, function: matmul, dtype: f32, size: [256, 256, 256], utilisation: 90%}
  - {unit: fma, function: exp, dtype: f32, size: [1000], utilisation: 10%}
error: 9%
"""


@pytest.fixture
def calibration(write: Write) -> Callable[..., Path]:
    """Writes the small device and a calibration of it."""
    write()

    def write_calibration(*changes: tuple[str, str]) -> Path:
        return write(*changes, text=CALIBRATION, name="calibration.yaml")

    return write_calibration


def test_reads(calibration: Callable[..., Path]) -> None:
    assert check_file(calibration()) == []
    found = load_calibration(calibration())
    assert (found.device, found.launch, found.error) == ("tiny", 2e-6, 0.09)
    assert found.levels["l1"].bandwidth == 200e9
    assert found.rates == {"fma": {"f32": 90e9}}
    assert found.scaling == {1: 1.0, 2: 1.9}
    assert found.links == {"in": LevelSample(5e9, 8e-6), "out": LevelSample(4e9, None)}
    assert found.samples[1] == Sample("fma", "matmul", "f32", (128, 128, 128), 0.7, 1e-3)


def test_interpolates_between_sizes(calibration: Callable[..., Path]) -> None:
    found = load_calibration(calibration())
    assert found.utilisation("fma", "matmul", "f32", (128, 128, 128)) == 0.7
    between = found.utilisation("fma", "matmul", "f32", (91, 91, 91))
    assert between is not None
    assert 0.5 < between < 0.7
    assert found.utilisation("fma", "matmul", "f32", (64, 64)) is None
    assert found.utilisation("fma", "add", "f32", (64,)) is None


def test_leaves_one_out(calibration: Callable[..., Path]) -> None:
    found = load_calibration(calibration())
    # 64 from 128 and 256 (weights 1, 1/4): 0.74; 128 from its neighbours: 0.7; 256 likewise: 0.66
    assert found.leave_one_out() == pytest.approx(abs(0.66 - 0.9) / 0.9)
    assert replace(found, samples=found.samples[:2]).leave_one_out() is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("level: l1", "level: l2", "levels.1.level: tiny has no memory 'l2'; memories are dram, l1"),
        ("level: l1", "level: vreg", "tiny has no memory 'vreg'; memories are dram, l1"),
        (
            "unit: fma, function: matmul",
            "unit: fms, function: matmul",
            "samples.0.unit: tiny has no unit 'fms'; did you mean 'fma'?",
        ),
        ("unit: fma, dtype", "unit: fms, dtype", "units.0.unit: tiny has no unit 'fms'; did you mean 'fma'?"),
        ("function: exp", "function: log", "samples.3: the unit 'fma' of tiny does no log on f32"),
        ("utilisation: 50%", "utilisation: 50", "samples.0.utilisation: must be at most 1.5, not 50"),
        ("utilisation: 50%", "utilisation: 0", "must be above zero"),
        ("size: [1000]", "size: []", "samples.3.size: must not be empty"),
        ("direction: out", "direction: up", "links.1.direction: "),
        ("bandwidth: 4 GB/s", "latency: 4 us", "links.1.bandwidth: "),
        ("device: tiny", "device: tinny", "nothing is called 'tinny'"),
        (CALIBRATION[CALIBRATION.index("launch") : CALIBRATION.index("error")], "", "nothing was measured; give 'sam"),
    ],
)
def test_refuses(calibration: Callable[..., Path], old: str, new: str, message: str) -> None:
    found = [str(problem) for problem in check_file(calibration((old, new)))]
    assert any(message in problem for problem in found), found


def test_lies_over_its_device(calibration: Callable[..., Path], write: Write) -> None:
    device, measurements = load_device(write()), load_calibration(calibration())
    found = calibrated(device, measurements)
    assert (found.level("dram").bandwidth, found.level("dram").latency, found.launch) == (9e9, 100e-9, 2e-6)
    assert found.level_bandwidth("l1") == pytest.approx(200e9)  # two pieces of half that
    assert found.unit_rate(found.units[0], "f32") == pytest.approx(90e9)  # four copies of a quarter
    assert found.level("l1").latency == device.level("l1").latency
    origin = found.trust("levels.dram.bandwidth")
    assert (origin.kind, origin.id) == ("measured", "tiny-measured")
    again = load_device(write(text=dump_machine(found), name="again.yaml"))
    assert again == found
    assert found != device


def test_what_was_reached_is_not_multiplied_by_a_share(calibration: Callable[..., Path], write: Write) -> None:
    """Pins, rates on sparse weights and shares stand beside the declared number, and go with it."""
    measurements = load_calibration(calibration())
    shares = ("lanes: {f32: 8}", "lanes: {f32: 8}\n    utilisation: {f32: 50%}")
    memory = ("bandwidth: 10 GB/s", "bandwidth: 10 GB/s, pins: {count: 10, rate: 8 Gbit/s}, utilisation: 60%")
    device = load_device(write(shares, memory))
    assert device.units[0].utilisation == {"f32": 0.5} and device.level("dram").utilisation == 0.6
    found = calibrated(device, measurements)
    assert found.units[0].utilisation == {} and found.level("dram").utilisation is None
    assert found.level("dram").pins is None and found.level("dram").bandwidth == 9e9


def test_a_simulated_calibration_does_not_pass_for_a_measurement(
    calibration: Callable[..., Path], write: Write
) -> None:
    simulated = load_calibration(calibration(("kind: measured", "kind: simulated")))
    found = calibrated(load_device(write()), simulated)
    assert {found.trust(n).kind for n in ("launch", "levels.dram.bandwidth", "units.fma.rate.f32")} == {"simulated"}
    assert next(calibration_lines(simulated)).startswith("tiny-measured: of tiny (simulated, not measured)")


def test_refuses_another_device(calibration: Callable[..., Path], write: Write) -> None:
    device, measurements = load_device(write()), load_calibration(calibration())
    with pytest.raises(HardwareFileError, match="calibration 'tiny-measured': it is of 'tiny', and the device is 'x'"):
        calibrated(replace(device, name="x"), measurements)
    slow = load_calibration(calibration(("100 B/cy", "1 B/cy")))
    with pytest.raises(HardwareFileError, match="is slower than 'dram' around it"):
        calibrated(device, slow)


def test_directions_stay(write: Write, calibration: Callable[..., Path]) -> None:
    path = write(("bandwidth: 10 GB/s", "bandwidth: {in: 10 GB/s, out: 5 GB/s}"))
    found = calibrated(load_device(path), load_calibration(calibration()))
    assert found.level("dram").bandwidths == {"in": 9e9, "out": 5e9}
