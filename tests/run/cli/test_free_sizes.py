"""`benchmarks.free_sizes`: a size's own artifact beside one for all sizes."""

from __future__ import annotations

import sys

import pytest

from benchmarks import free_sizes


def test_a_sweep_prints_a_line_for_each_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(free_sizes, "SIZES", (3, 17))
    monkeypatch.setattr(sys, "argv", ["free_sizes", "columns", "--threads", "1", "--seconds", "0.01"])
    free_sizes.main()
    heading, *lines, last = capsys.readouterr().out.splitlines()
    assert heading.split() == ["sweep", "size", "own", "ms", "for", "all", "ms", "ratio"]
    assert [line.split()[:2] for line in lines] == [["columns", "3"], ["columns", "17"]]
    assert all(float(cell) > 0 for line in lines for cell in line.split()[2:])
    assert last.startswith("free sizes: geomean ") and last.endswith(" of 2")


def test_an_unknown_sweep_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["free_sizes", "rows"])
    with pytest.raises(SystemExit):
        free_sizes.main()
    assert "no sweep is called rows; there is gemm, gemm-m" in capsys.readouterr().err
