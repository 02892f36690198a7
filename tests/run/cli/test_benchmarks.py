"""The benchmark of whole models: what it leaves out it names, and what it does not know it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import models, verification


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["models.py", *arguments])
    models.main()


def test_models_without_their_packages_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(models, "median_process", lambda arguments: 0.01)
    run(monkeypatch)
    shown = capsys.readouterr().out
    for name, (packages, _) in models.CASES.items():
        assert f"{name:10s} left out: {packages[0]} not installed" in shown
    assert "stratagem --help" in shown and "10 ms" in shown


def test_a_model_without_its_file_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(models.CASES, "magika", ([], lambda: None))
    monkeypatch.setattr(models, "median_process", lambda arguments: 0.01)
    run(monkeypatch, "--models", "magika")
    assert "magika     left out: no model file" in capsys.readouterr().out


def test_unknown_models_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "--models", "bert,lenet")
    assert stopped.value.code == 2 and "there is no model lenet; there is resnet18" in capsys.readouterr().err


def test_what_checking_costs_is_shown(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = models.Case("tiny", model, None, "", lambda threads: None)  # type: ignore[arg-type,return-value]
    monkeypatch.setitem(models.CASES, "tiny", ([], lambda: tiny))
    verification.main(["--models", "tiny", "--rounds", "1", "--full"])
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["model", "import", "off", "fast", "full"] and row.startswith("tiny") and "%" in row
