"""A device that exists in this file only: a transformer goes through all levels for it, is costed with a range, and has
a page that opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stratagem.cli.main import run
from tests.run.report.browser import Page
from tests.unit.report.reading import parts_of

DEVICE = """\
hw: 1
device: orchard
class: accelerator
backend: "null"
source: {kind: projected, spread: 30%, note: made up}
clock: 700 MHz
launch: 1.5 us
levels:
  - {name: pool, kind: memory, size: 8 GiB, granule: 64 B, bandwidth: 410 GB/s, latency: 300 ns, energy: 30 pJ/B}
  - {name: grove, kind: cache, size: 12 MiB, granule: 64 B, bandwidth: 2 TB/s, latency: 60 ns, energy: 6 pJ/B}
  - {name: tree, kind: group, count: 13}
  - {name: trunk, kind: cache, size: 192 KiB, granule: 64 B, bandwidth: 256 B/cy, latency: 8 cy, energy: 1 pJ/B}
units:
  - name: branch
    at: trunk
    count: 2
    functions: [matmul, batch_matmul, add, sub, mul, div, max, select, compare, cast, copy, transpose, reduce_sum,
                reduce_max, rsqrt, sqrt]
    lanes: {f32: 64, i32: 64, i1: 64, index: 64}
    energy: {f32: 2 pJ/op}
  - {name: leaf, at: trunk, functions: [exp, erf, tanh], rate: {f32: 16 op/cy}}
power: {idle: 9 W, max: 60 W}
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch", reason="the model is PyTorch's; torch is not installed")
    folder = tmp_path_factory.mktemp("orchard")
    (folder / "orchard.yaml").write_text(DEVICE)
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(48, 3, 101, activation="gelu", batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    torch.export.save(torch.export.export(model, (torch.randn(1, 17, 48),)), folder / "encoder.pt2")
    path = folder / "encoder.sgm"
    assert run(["compile", str(folder / "encoder.pt2"), "--target", str(folder / "orchard.yaml"), "-o", str(path)]) == 0
    return path


def test_it_is_costed_with_a_range_by_layer(artifact: Path, tmp_path: Path) -> None:
    assert run(["explain", str(artifact), "--html", str(tmp_path / "r.html")]) == 0
    found = json.loads(parts_of((tmp_path / "r.html").read_text()).data)
    cost = found["cost"]
    assert 0 < cost["low"] < cost["seconds"] < cost["high"] and cost["joules"] > 0
    assert [level["name"] for level in found["levels"]] == ["tensor", "device", "system", "physical"]
    assert {"orchard"} == {call["device"] for call in cost["calls"] if call["function"] == "matmul"}
    places = " ".join(call["where"] for call in cost["calls"])
    assert "layers.0.linear1" in places and "layers.1.linear2" in places
    assert {"launch", "levels.grove.bandwidth"} <= {number["key"].split(": ")[-1] for number in found["numbers"]}


@pytest.mark.parametrize("width", [390, 1200])
def test_its_page_opens(page: Page, artifact: Path, tmp_path: Path, width: int) -> None:
    path = tmp_path / "r.html"
    assert run(["explain", str(artifact), "--html", str(path)]) == 0
    page.open(path, width)
    page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.run("new Promise(done => setTimeout(done, 200))")
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.querySelectorAll('#machine .tier, #machine .device').length") >= 2  # a host beside it
    assert page.faults == [] and set(page.requests) == {path.as_uri()}
