"""`stratagem sweep`: variants of a device on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stratagem.api import loading
from tests.run.cli.conftest import Cli, write_model

GRAPH = "(float[67,129] x, float[129,257] w) => (float[67,257] y) {y = MatMul(x, w)}"
SIZES = "levels.l2.size=64KiB..1MiB"


@pytest.fixture
def product(tmp_path: Path) -> Path:
    path = tmp_path / "product.onnx"
    write_model(path, GRAPH)
    return path


def test_a_table_with_the_front(cli: Cli, product: Path) -> None:
    done = cli("sweep", product, "--target", "generic-avx512", "--vary", SIZES)
    assert (done.code, done.err) == (0, "")
    head, _, *lines = done.out.splitlines()
    assert head.split() == ["levels.l2.size", "time", "energy", "front"]
    assert [line.split()[0] for line in lines] == ["64", "128", "256", "512", "1024"]
    assert any(line.endswith("*") for line in lines)


def test_json_svg_and_page(cli: Cli, product: Path, tmp_path: Path) -> None:
    files = ("--svg", "front.svg", "--html", "sweep.html")
    objective = ("--objective", "time,levels.l2.size")
    done = cli(
        "sweep", product, "--target", "generic-avx512", "--vary", SIZES, "--points", 3, *objective, *files, "--json"
    )
    assert done.code == 0 and done.json["vary"] == {"levels.l2.size": ["64 KiB", "256 KiB", "1024 KiB"]}
    assert [p["objectives"]["levels.l2.size"] for p in done.json["points"]] == [2**16, 2**18, 2**20]
    assert any(p["front"] for p in done.json["points"])
    circles = [e for e in ElementTree.parse(tmp_path / "front.svg").iter() if e.tag.endswith("circle")]
    assert len(circles) == 3
    assert "<svg" not in (tmp_path / "sweep.html").read_text().split("<script")[0]


def test_the_model_is_read_once(cli: Cli, product: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    whole = loading.load_model

    def counted(*arguments: object, **named: object) -> object:
        calls.append(arguments)
        return whole(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load_model", counted)
    assert cli("sweep", product, "--target", "generic-avx512", "--vary", SIZES).code == 0
    assert len(calls) == 1


def test_an_artifact_brings_its_machine(cli: Cli, product: Path) -> None:
    assert cli("compile", product, "--target", "generic-avx2", "--until", "device", "-o", "p.sgm").code == 0
    found = cli("sweep", "p.sgm", "--vary", "levels.core.count=2,4", "--json").json
    assert found["target"] == "generic-avx2" and len(found["points"]) == 2
    other = cli("sweep", "p.sgm", "--target", "generic-avx512", "--vary", "levels.core.count=2,4", "--json").json
    assert other["target"] == "generic-avx512"
    assert found["points"][1]["objectives"]["time"] != other["points"][1]["objectives"]["time"]


def test_a_device_without_idle_power_is_explored_by_time(cli: Cli, product: Path) -> None:
    done = cli("sweep", product, "--target", "cpu", "--vary", "launch=1us,9us")
    assert done.code == 0 and "energy" not in done.out.splitlines()[0] and "power.idle" in done.out
    asked = cli("sweep", product, "--target", "cpu", "--vary", "launch=1us,9us", "--objective", "energy")
    asked.refused(4, "power.idle", "energy of a run")


def test_points_that_cannot_be_are_listed(cli: Cli, product: Path) -> None:
    done = cli("sweep", product, "--target", "generic-avx512", "--vary", "levels.l2.size=16KiB,1MiB")
    assert done.code == 0 and "16KiB" in done.out and "cannot be: levels.l1.size: 48 KiB is larger" in done.out
    none = cli("sweep", product, "--target", "generic-avx512", "--vary", "levels.l2.size=8KiB,16KiB")
    none.refused(4, "none of 2 points can be", "larger than 'l2' around it")


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (("--vary", "levels.l2.siz=1MiB..2MiB"), 4, ("did you mean 'levels.l2.size'",)),
        (("--vary", "levels.l2.size=2MiB..1MiB"), 2, ("not below",)),
        (("--vary", "levels.l2.size=1GHz..2GHz"), 4, ("an amount of memory",)),
        (("--vary", SIZES, "--vary", SIZES), 2, ("names levels.l2.size twice",)),
        (("--vary", SIZES, "--objective", "speed"), 2, ("no objective 'speed'", "time, energy, edp, levels.l2.size")),
        (("--vary", SIZES, "--objective", "time", "--svg", "x.svg"), 2, ("two objectives",)),
    ],
)
def test_what_is_refused(
    cli: Cli, product: Path, arguments: tuple[str, ...], code: int, parts: tuple[str, ...]
) -> None:
    cli("sweep", product, "--target", "generic-avx512", *arguments).refused(code, *parts)


def test_a_device_of_ones_own(cli: Cli, product: Path, tmp_path: Path) -> None:
    """A file beside the model, with a parameter; the sweep starts from what the file says."""
    text = "hw: 1\ndevice: mine\nextends: generic-avx512\nsource: {kind: assumed, spread: 20%}\nparams: {cores: 8}\n"
    (tmp_path / "mine.yaml").write_text(text + "levels: [{name: core, count: $cores}]\npeak: !replace {}\n")
    vary = ("--vary", "levels.dram.bandwidth=80GB/s..320GB/s")
    slow = cli("sweep", product, "--target", "mine.yaml", "--param", "cores=4", *vary, "--json")
    fast = cli("sweep", product, "--target", "mine.yaml", *vary, "--json")
    assert slow.code == fast.code == 0, slow.err + fast.err
    assert json.loads(fast.out)["target"] == "mine"
    assert fast.json["points"][0]["objectives"]["time"] < slow.json["points"][0]["objectives"]["time"]
