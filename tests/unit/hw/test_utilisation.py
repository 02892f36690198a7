"""Shares that units, levels and links reach: read with their origin, refused where they are none."""

from __future__ import annotations

import pytest

from stratagem.hwmodels import HardwareFileError, load_device, load_machine
from tests.unit.hw.conftest import SYSTEM, Write


def test_shares_of_a_device(write: Write) -> None:
    path = write(
        ("latency: 80 ns}", "latency: 80 ns, utilisation: {value: 85%, kind: measured, spread: 5%, id: x}}"),
        ("    lanes: {f32: 8}\n", "    lanes: {f32: 8}\n    utilisation: {f32: 90%}\n"),
    )
    device = load_device(path)
    assert device.level("dram").utilisation == pytest.approx(0.85)
    assert device.units[0].utilisation == {"f32": pytest.approx(0.9)}
    assert device.trust("levels.dram.utilisation").kind == "measured"
    assert device.peak_rate("f32") == load_device(write()).peak_rate("f32")  # a peak is a peak
    assert device.digest != load_device(write()).digest


def test_shares_of_a_link(write: Write) -> None:
    write()
    text = SYSTEM.replace("latency: 10 us,", "latency: 10 us, utilisation: 77%, occupies: 15%,")
    link = load_machine(write(text=text, name="pair.yaml")).tiers[0].link
    assert link.utilisation == pytest.approx(0.77)
    assert link.occupies == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("latency: 80 ns}", "latency: 80 ns, utilisation: 120%}"), "utilisation"),
        (("latency: 80 ns}", "latency: 80 ns, utilisation: 0%}"), "above zero"),
        (
            ("    lanes: {f32: 8}\n", "    lanes: {f32: 8}\n    utilisation: {f64: 90%}\n"),
            "no lanes and no rate for f64",
        ),
    ],
)
def test_what_is_no_share(write: Write, change: tuple[str, str], message: str) -> None:
    with pytest.raises(HardwareFileError, match=message):
        load_device(write(change))
