"""`stratagem compile`: what it writes, prints and refuses."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stratagem.cli.hw import EXAMPLES
from stratagem.cli.main import COMMANDS
from tests.run.cli.conftest import Cli

LEVELS = ["tensor", "device", "system", "physical"]


def test_help_names_every_command(cli: Cli) -> None:
    shown = cli("--help")
    assert shown.code == 0
    assert all(f"\n  {name} " in shown.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli: Cli, command: str) -> None:
    shown = cli(command, "--help")
    assert shown.code == 0
    assert f"stratagem {command}" in shown.out
    assert f"Examples:\n    stratagem {command}" in shown.out


@pytest.mark.parametrize("command", EXAMPLES)
def test_every_hardware_command_has_an_example(cli: Cli, command: str) -> None:
    shown = cli("hw", command, "--help")
    assert shown.code == 0 and f"Examples:\n    stratagem hw {command}" in shown.out


def test_unknown_command(cli: Cli) -> None:
    cli("complie").refused(2, "No such command 'complie'")


def test_the_artifact_lands_beside_the_user(cli: Cli, model: Path, tmp_path: Path) -> None:
    done = cli("compile", model, "--until", "tensor")
    assert (done.code, done.out) == (0, "")
    assert "x: f32[?, 13]" in done.err and "y: f32[?, 17]" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["net.sgm"]


def test_json_is_the_only_output(cli: Cli, model: Path) -> None:
    done = cli("compile", model, "--json")
    assert done.code == 0 and done.err == ""
    assert done.json["level"] == "physical" and done.json["artifact"] == "net.sgm"
    assert [i["name"] for i in done.json["inputs"]] == ["x", "c"]
    assert done.json["outputs"][0] == {"name": "y", "dtype": "f32", "shape": [None, 17]}


@pytest.mark.parametrize("level", LEVELS)
def test_until_stops_there_and_print_shows_it(cli: Cli, model: Path, level: str, tmp_path: Path) -> None:
    done = cli("compile", model, "--until", level, "--print", "-o", "out/there.sgm")
    assert done.code == 0
    assert f'stratagem.level = "{level}"' in done.out
    held = zipfile.ZipFile(tmp_path / "out/there.sgm").namelist()
    assert [n for n in held if n.startswith("levels/")] == [
        f"levels/{n}.mlir" for n in LEVELS[: LEVELS.index(level) + 1]
    ]
    assert not any(n.startswith("code/") for n in held)


def test_targets_change_the_device_level(cli: Cli, model: Path) -> None:
    done = cli("compile", model, "--target", "generic-sse", "--until", "device", "--print")
    assert done.code == 0 and 'class = "generic-sse"' in done.out


def test_unknown_target_names_the_nearest(cli: Cli, model: Path, tmp_path: Path) -> None:
    cli("compile", model, "--target", "gneric-avx512").refused(4, "'gneric-avx512'", "did you mean 'generic-avx512'?")
    assert list(tmp_path.iterdir()) == []


def test_target_file_with_faults(cli: Cli, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("hw: 1\ndevice: bad\nclass: cpu\nclock: 2 GHzz\n")
    refused = cli("compile", model, "--target", "bad.yaml")
    refused.refused(4, "bad.yaml:4", "GHzz")


def test_unknown_level(cli: Cli, model: Path) -> None:
    cli("compile", model, "--until", "devcie").refused(2, "there is no level 'devcie'", "tensor, device, system")


@pytest.mark.parametrize(("target", "machine"), [("generic-aarch64", "aarch64"), ("generic-rv64gcv", "riscv64")])
def test_code_for_another_architecture_needs_its_linker(
    cli: Cli, model: Path, target: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if "linux-gnu" in name else which(name))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.delenv("CC", raising=False)
    cli("compile", model, "--target", target).refused(9, f"the code is for {machine}", f"gcc-{machine}-linux-gnu")
    assert not Path("net.sgm").exists()


def test_missing_model(cli: Cli) -> None:
    cli("compile", "none.onnx").refused(2, "there is no file none.onnx")


def test_folder_as_model(cli: Cli, tmp_path: Path) -> None:
    cli("compile", tmp_path).refused(2, "is a folder")


def test_unknown_ending(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"TFL3")
    cli("compile", "model.tflite").refused(3, "cannot tell what kind of model", ".onnx an ONNX model")


def test_output_folder_that_cannot_be(cli: Cli, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cli("compile", model, "--until", "tensor", "-o", "file/net.sgm").refused(9, "cannot write file/net.sgm")


def test_full_disk_leaves_nothing(cli: Cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stratagem.runtime.container._write_member", full)
    cli("compile", model, "--until", "tensor").refused(9, "No space left on device", "nothing was left behind")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_keeps_the_artifact_that_was_there(
    cli: Cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "net.sgm").write_bytes(b"older")
    monkeypatch.setattr("stratagem.runtime.container._seal", full)
    cli("compile", model, "--until", "tensor").refused(9, "cannot write net.sgm")
    assert (tmp_path / "net.sgm").read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 1


def test_input_shape_that_cannot_be_read(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    cli("compile", "m.onnx", "--input-shape", "x").refused(2, "--input-shape x cannot be read", "--input-shape x=8,128")


def test_input_shapes_are_for_onnx_files(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.mlir").touch()
    cli("compile", "m.mlir", "--input-shape", "x=3").refused(2, "sizes of inputs can be given for ONNX files only")
