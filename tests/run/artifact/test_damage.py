"""Whatever happened to an artifact's file, opening it says so and runs nothing."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import stratagem as sg
from stratagem.cli.main import run
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.container import Container, write_container
from stratagem.runtime.errors import ArtifactError
from stratagem.runtime.parameters import ParameterStore
from tests.test_tiny import LAYER, B, W, floats


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(parse_module(LAYER), ParameterStore({"w": W, "b": B}))
    return sg.compile(program).save(tmp_path_factory.mktemp("artifact") / "layer.sgm")


def places(artifact: Path) -> list[int]:
    """Inside every member, its header and the directory, one byte each, and the first and last of the file."""
    container = Container(artifact)
    inside = [m.offset + m.size // 2 for m in container.members.values()]
    headers = [m.offset - 3 for m in container.members.values()]
    end = artifact.stat().st_size
    return [0, *inside, *headers, end - 400, end - 70, end - 1]


def test_one_flipped_byte(artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original, changed = artifact.read_bytes(), tmp_path / "changed.sgm"
    for place in places(artifact):
        data = bytearray(original)
        data[place] ^= 4
        changed.write_bytes(data)
        assert run(["run", str(changed)]) == 8, place
        shown = capsys.readouterr()
        assert "changed.sgm" in shown.err and shown.out == ""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_cut_short(artifact: Path, tmp_path: Path, share: float) -> None:
    data = artifact.read_bytes()
    (tmp_path / "cut.sgm").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ArtifactError, match="is damaged"):
        sg.load(tmp_path / "cut.sgm")


def test_a_zip_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.sgm", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ArtifactError, match="it has no manifest"):
        sg.load(tmp_path / "other.sgm")


def test_machine_code_of_another_machine(artifact: Path, tmp_path: Path) -> None:
    """A file that is whole, but whose code is not of this machine's format."""
    container = Container(artifact)
    members = {n: container.read(n) for n in container.members if n != "manifest.json"}
    manifest = {k: v for k, v in container.manifest.items() if k not in ("digests", "format")}
    write_container(tmp_path / "other.sgm", {**members, "code/model.so": b"\x7fELFnot this one"}, manifest)
    with pytest.raises(ArtifactError, match="machine code does not load"):
        sg.load(tmp_path / "other.sgm")


def test_any_zip_tool_reads_it(artifact: Path) -> None:
    with zipfile.ZipFile(artifact) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[0] == "params.safetensors" and names[-1] == "manifest.json"
        assert json.loads(archive.read("manifest.json"))["levels"] == ["tensor", "device", "system", "physical"]
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}


def test_parameters_are_a_safetensors_file(artifact: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load

    tensors = load(Container(artifact).read("params.safetensors"))
    np.testing.assert_array_equal(tensors["w"], W)
    np.testing.assert_array_equal(tensors["b"], B)


def test_the_same_program_gives_the_same_code(artifact: Path, tmp_path: Path) -> None:
    """Everything but the times it took."""
    program = Program(parse_module(LAYER), ParameterStore({"w": W, "b": B}))
    again = Container(sg.compile(program).save(tmp_path / "again.sgm")).manifest["digests"]
    assert again == Container(artifact).manifest["digests"]


def test_loaded_twice_runs_apart(artifact: Path) -> None:
    one, two, x = sg.load(artifact), sg.load(artifact), floats(3, 13)
    np.testing.assert_array_equal(one(x)[0], two(x)[0])
    (first,) = one(x)
    kept = first.copy()
    one(-x)
    np.testing.assert_array_equal(first, kept)
