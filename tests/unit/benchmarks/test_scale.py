"""Sizes beside powers of two, what counts as a cliff, and the plot."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.plot import Axis, log_log
from benchmarks.scale import Point, Sweep, cliffs, sizes_up_to, speed_ups

SVG = "{http://www.w3.org/2000/svg}"


def test_sizes_lie_beside_powers_of_two() -> None:
    assert sizes_up_to(64) == [16, 17, 24, 31, 32, 33, 48, 63, 64, 65]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(16, 1.0), (32, 10.0)], []),  # a call's own cost matters less and less
        ([(32, 10.0), (64, 6.0)], [(32, 64)]),
        ([(32, 10.0), (64, 7.0)], []),
        ([(63, 10.0), (64, 6.0), (65, 10.0)], [(63, 64), (64, 65)]),
        ([(64, 5.0)], []),
    ],
)
def test_cliffs(points: list[tuple[int, float]], expected: list[tuple[int, int]]) -> None:
    found = cliffs([Point(size, size / rate, rate) for size, rate in points])
    assert [(a.size, b.size) for a, b, _ in found] == expected
    assert all(fall > 1.5 for _, _, fall in found)


def test_speed_ups_are_of_one_thread() -> None:
    assert speed_ups([Point(1, 1.0, 1), Point(2, 0.5, 2)]) == "threads: 1: 1.00 times, 2: 2.00 times"


def test_the_axis_is_logarithmic() -> None:
    axis = Axis(1, 100, 0, 200)
    assert axis.at(10) == pytest.approx(100) and axis.ticks(10) == [1, 10, 100]
    assert Axis(15, 65, 0, 1).ticks(2) == [16, 32, 64]


def test_the_plot_is_well_formed_and_complete() -> None:
    root = ElementTree.fromstring(log_log({"a < b": [(16, 1e-3), (64, 1e-2)], "c": [(32, 1e-4)]}, "size", "seconds"))
    assert len(root.findall(f"{SVG}polyline")) == 2 and len(root.findall(f"{SVG}circle")) == 3
    assert {"a < b", "c", "16", "64", "0.001"} <= {t.text for t in root.findall(f"{SVG}text")}
    with pytest.raises(ValueError, match="nothing to draw"):
        log_log({"a": []}, "x", "y")


@pytest.mark.parametrize("static", [False, True])
def test_a_sweep_is_measured_and_drawn(
    static: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    made = Sweep("tanh", "", lambda n: (torch.nn.Tanh(), (torch.randn(3, n),)), ((1,),), lambda n: 24.0 * n, "GB/s")
    monkeypatch.setattr(scale, "sweeps", lambda: [made])
    drawn = tmp_path / "plot.svg"
    options = ["--static"] if static else []
    scale.main(["tanh", "--largest", "16", "--threads", "1", "--seconds", "0.01", "--svg", str(drawn), *options])
    shown = capsys.readouterr().out
    assert "tanh: " in shown and " GB/s" in shown and drawn.read_text().count("<circle") == 2


def test_an_unknown_sweep_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scale.main(["gemm-q"])
    assert "there is no sweep gemm-q; there is gemm, gemm-m" in capsys.readouterr().err
