"""Environment variables through the command line: what they do, and values that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.cli.conftest import Cli


def test_dump_writes_the_ir_after_every_pass(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATAGEM_DUMP", "dumps")
    assert cli("compile", model, "--until", "device").code == 0
    names = sorted(p.name for p in Path("dumps").iterdir())
    assert names[0].startswith("01-tensor-") and names[-1].endswith("-device-tile-kernels.mlir")
    assert "scf.forall" in Path("dumps", names[-1]).read_text()


def test_dump_that_cannot_be_written(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").touch()
    monkeypatch.setenv("STRATAGEM_DUMP", "file/dumps")
    cli("compile", model, "--until", "tensor").refused(9, "cannot write file/dumps/01-tensor-", "STRATAGEM_DUMP")


def test_debug_levels_say_more_and_more(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    for level in range(5):
        monkeypatch.setenv("STRATAGEM_DEBUG", str(level))
        shown.append(cli("compile", model, "--until", "device").err)
    assert "tile-kernels" not in shown[0] and "tile-kernels" in shown[1]
    assert "matmul on cpu/" not in shown[1] and "matmul on cpu/" in shown[2]
    assert "scf.forall" not in shown[2] and "// ---- after device" in shown[3]
    assert "// ---- after device/tile-kernels" not in shown[3] and "// ---- after device/tile-kernels" in shown[4]


def test_stop(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATAGEM_STOP", "device")
    assert cli("compile", model, "--json").json["level"] == "device"
    monkeypatch.setenv("STRATAGEM_STOP", "devcie")
    cli("compile", model).refused(2, "there is no level 'devcie'")


def test_override_replaces_a_level(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The edited program is what goes on, and what is checked."""
    assert cli("compile", model, "--until", "tensor").code == 0
    text = cli("explain", "net.sgm", "--level", "tensor").out
    assert "arith.addf" in text
    Path("edited").mkdir()
    Path("edited/tensor.mlir").write_text(text.replace("arith.addf", "arith.mulf"))
    monkeypatch.setenv("STRATAGEM_OVERRIDE", "edited")
    assert "arith.addf" not in cli("compile", model, "--until", "tensor", "--print").out
    Path("edited/tensor.mlir").write_text("module {")
    cli("compile", model).refused(5, "edited/tensor.mlir", "STRATAGEM_OVERRIDE")


def test_threads_that_are_no_number(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATAGEM_THREADS", "many")
    cli("compile", model).refused(2, "STRATAGEM_THREADS='many'")


def test_verify_off_checks_nothing(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("compile", model, "--until", "device", "--verify", "off").code == 0
    assert "nothing was checked" in cli("explain", "net.sgm").out
