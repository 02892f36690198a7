"""`stratagem run`: code and levels on the same inputs, and inputs that do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.run.cli.conftest import Array, Cli, expected

LEVELS = ["tensor", "device", "system", "physical"]


def results(path: Path) -> dict[str, Array]:
    with np.load(path) as archive:
        return dict(archive)


def test_code(cli: Cli, artifact: Path, inputs: Path, arrays: dict[str, Array]) -> None:
    done = cli("run", artifact, "--inputs", inputs, "--output", "results.npz")
    assert done.code == 0
    assert "y: float32[5, 17]" in done.out and "total: float32[5]" in done.out
    got, want = results(Path("results.npz")), expected(arrays)
    assert list(got) == ["y", "total"]
    np.testing.assert_array_equal(got["y"], want["y"])
    np.testing.assert_array_equal(got["total"], want["total"])


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_gives_what_the_code_gives(
    cli: Cli, artifact: Path, inputs: Path, arrays: dict[str, Array], level: str
) -> None:
    done = cli("run", artifact, "--inputs", inputs, "--output", "results.npz", "--level", level)
    assert done.code == 0 and f"level {level} by the reference interpreter" in done.err
    got, want = results(Path("results.npz")), expected(arrays)
    np.testing.assert_array_equal(got["y"], want["y"])
    np.testing.assert_array_equal(got["total"], want["total"])


def test_json(cli: Cli, artifact: Path, inputs: Path) -> None:
    done = cli("run", artifact, "--inputs", inputs, "--json", "--threads", 1, "--repeat", 3)
    assert done.code == 0 and done.err == ""
    assert done.json["executed"] == "host CPU" and done.json["seconds"] > 0
    assert done.json["outputs"]["y"] == {"dtype": "float32", "shape": [5, 17]}


def test_random_inputs_take_sizes(cli: Cli, artifact: Path) -> None:
    assert "y: float32[1, 17]" in cli("run", artifact).out
    assert "y: float32[7, 17]" in cli("run", artifact, "--size", "x=7,13").out
    assert cli("run", artifact, "--seed", 1).out == cli("run", artifact, "--seed", 1).out
    assert cli("run", artifact, "--seed", 1).out != cli("run", artifact, "--seed", 2).out


@pytest.mark.parametrize("text", ["x", "x=", "x=3,,4", "x=a", "=3"])
def test_size_that_cannot_be_read(cli: Cli, artifact: Path, text: str) -> None:
    cli("run", artifact, "--size", text).refused(2, f"--size {text}", "--size x=8,128")


def test_size_that_does_not_fit(cli: Cli, artifact: Path) -> None:
    cli("run", artifact, "--size", "x=7,12").refused(7, "'x' has shape [7, 12]", "x: f32[?, 13]")


def test_size_of_no_input(cli: Cli, artifact: Path) -> None:
    cli("run", artifact, "--size", "z=7").refused(2, "no input 'z'", "x: f32[?, 13]")


def test_wrong_name(cli: Cli, artifact: Path, arrays: dict[str, Array]) -> None:
    np.savez("i.npz", x=arrays["x"], d=arrays["c"])
    cli("run", artifact, "--inputs", "i.npz").refused(7, "missing 'c'", "unknown 'd'", "x: f32[?, 13]")


def test_wrong_shape(cli: Cli, artifact: Path, arrays: dict[str, Array]) -> None:
    np.savez("i.npz", x=arrays["x"].T, c=arrays["c"])
    cli("run", artifact, "--inputs", "i.npz").refused(7, "'x' has shape [13, 5]", "x: f32[?, 13]")


def test_wrong_dtype(cli: Cli, artifact: Path, arrays: dict[str, Array]) -> None:
    np.savez("i.npz", x=arrays["x"].astype(np.float64), c=arrays["c"])
    cli("run", artifact, "--inputs", "i.npz").refused(7, "'x' has dtype float64", "astype('float32')")


def test_zero_rows(cli: Cli, artifact: Path, arrays: dict[str, Array]) -> None:
    np.savez("i.npz", x=arrays["x"][:0], c=arrays["c"])
    assert "y: float32[0, 17]" in cli("run", artifact, "--inputs", "i.npz").out


def test_inputs_that_are_not_arrays(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    cli("run", artifact, "--inputs", "none.npz").refused(2, "there is no file none.npz")
    (tmp_path / "text.npz").write_text("not a zip")
    cli("run", artifact, "--inputs", "text.npz").refused(2, "cannot be read as arrays: it is not", "numpy.savez")
    np.savez("objects.npz", x=np.array([{}], dtype=object), allow_pickle=True)
    cli("run", artifact, "--inputs", "objects.npz").refused(2, "cannot be read as arrays")
    np.save("one.npy", np.zeros(3))
    cli("run", artifact, "--inputs", "one.npy").refused(2, "one.npy", "it is not an .npz file", "numpy.savez")


def test_missing_artifact(cli: Cli) -> None:
    cli("run", "none.sgm").refused(8, "there is no artifact none.sgm")


def test_unknown_level(cli: Cli, artifact: Path) -> None:
    cli("run", artifact, "--level", "cuda").refused(2, "there is no level 'cuda'", "tensor, device, system, physical")


def test_level_it_was_not_compiled_to(cli: Cli, device_only: Path) -> None:
    cli("run", device_only, "--level", "physical").refused(8, "until level 'device'", "it has tensor, device")


def test_artifact_without_code(cli: Cli, device_only: Path, inputs: Path, arrays: dict[str, Array]) -> None:
    cli("run", device_only, "--inputs", inputs).refused(8, "holds no code", "until level 'device'", "--level")
    assert cli("run", device_only, "--inputs", inputs, "--level", "device", "--output", "r.npz").code == 0
    np.testing.assert_array_equal(results(Path("r.npz"))["y"], expected(arrays)["y"])


def test_not_an_artifact(cli: Cli, model: Path) -> None:
    cli("run", model).refused(8, "net.onnx", "not an artifact")


def test_negative_threads(cli: Cli, artifact: Path) -> None:
    cli("run", artifact, "--threads", -1).refused(2, "--threads")


def test_results_onto_a_full_disk(cli: Cli, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    cli("run", artifact, "--output", "results.npz").refused(9, "cannot write results.npz", "No space left")
    assert list(tmp_path.iterdir()) == []


def test_a_moved_artifact_still_runs(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    shutil.copy(artifact, tmp_path / "other name.sgm")
    assert cli("run", "other name.sgm").code == 0
