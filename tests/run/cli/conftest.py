"""The command line in this process, and one small model with its artifact."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest

from stratagem.cli.main import run

TEXT = """(float[n,13] x, float[1,17] c) => (float[n,17] y, float[n] total)
<float[13,17] w = {WEIGHTS}, int64[1] last = {1}> {
  h = MatMul(x, w)
  y = Add(h, c)
  total = ReduceSum <keepdims = 0> (y, last)
}"""
WEIGHTS = np.random.default_rng(5).integers(-8, 8, (13, 17)).astype(np.float32) / 8
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.out)

    def refused(self, code: int, *parts: str) -> None:
        """Asserts one message on standard error with all parts, this exit code, and nothing on standard output."""
        assert (self.code, self.out) == (code, ""), self
        starts = [line for line in self.err.splitlines() if line.lower().startswith("error: ")]
        assert len(starts) == 1 and "Traceback" not in self.err, self.err
        for part in parts:
            assert part in self.err, self.err


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `stratagem ARGUMENTS...` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = run([str(a) for a in arguments])
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = x w + c and its row sums, with a free number of rows."""
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    write_model(path, TEXT.replace("WEIGHTS", ",".join(map(str, WEIGHTS.ravel()))))
    return path


@pytest.fixture(scope="session")
def artifact(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("artifact") / "net.sgm"
    assert run(["compile", str(model), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def device_only(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact without code."""
    path = tmp_path_factory.mktemp("device") / "net.sgm"
    assert run(["compile", str(model), "--until", "device", "-o", str(path)]) == 0
    return path


@pytest.fixture
def arrays() -> dict[str, Array]:
    """Inputs whose products and sums are exact in float32."""
    rng = np.random.default_rng(3)
    return {
        "x": rng.integers(-8, 8, (5, 13)).astype(np.float32) / 8,
        "c": rng.integers(-8, 8, (1, 17)).astype(np.float32) / 8,
    }


@pytest.fixture
def inputs(arrays: dict[str, Array], tmp_path: Path) -> Path:
    path = tmp_path / "inputs.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def write_model(path: Path, graph: str) -> None:
    """Writes an ONNX file from the text of its graph: `(inputs) => (outputs) <parameters> {nodes}`."""
    onnx.save(onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> net {graph}'), path)


def expected(arrays: dict[str, Array]) -> dict[str, Array]:
    y = arrays["x"] @ WEIGHTS + arrays["c"]
    return {"y": y, "total": y.sum(1)}
