"""A small network as an artifact with code for this machine, and one for a described device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from stratagem.cli.main import run
from tests.run.cli.conftest import cli as cli
from tests.run.report.browser import Page, browser, browser_path

TEXT = """<ir_version: 10, opset_import: ["" : 21]> net (float[5,67] x) => (float[5,31] y)
<float[67,129] w1 = {A}, float[129,31] w2 = {B}> {
  h = MatMul(x, w1)
  a = Relu(h)
  z = MatMul(a, w2)
  y = Softmax(z)
}"""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(7)
    weights = {name: rng.normal(size=size).astype(np.float32) for name, size in {"A": 67 * 129, "B": 129 * 31}.items()}
    text = TEXT
    for name, values in weights.items():
        text = text.replace(f"{{{name}}}", "{" + ",".join(f"{value:.5f}" for value in values) + "}")
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


@pytest.fixture(scope="session")
def with_code(model: Path) -> Path:
    path = model.with_name("net.sgm")
    assert run(["compile", str(model), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def described(model: Path) -> Path:
    """For a device with energies and an idle power; its name is made to break pages that do not escape."""
    path = model.with_name("""a'"<script>alert(1)<!--.sgm""")
    assert run(["compile", str(model), "--target", "generic-avx512", "--until", "device", "-o", str(path)]) == 0
    return path


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A browser's page; skips where there is no browser."""
    if browser_path() is None:
        pytest.skip("no Chromium on this machine")
    with browser(tmp_path / "profile") as opened:
        yield opened
