"""`explain --html` and `--trace` on real artifacts: what is in the files, without a browser."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from stratagem.compiler.artifact import level_text, machine_of
from stratagem.compiler.cost.program import program_cost
from stratagem.compiler.ir import parse_module
from stratagem.report import program as report_program
from stratagem.runtime.container import Container
from tests.run.cli.conftest import Cli
from tests.unit.report.reading import parts_of


def data_of(path: Path) -> Any:
    return json.loads(parts_of(path.read_text()).data)


@pytest.fixture
def written(cli: Cli, described: Path, tmp_path: Path) -> Path:
    done = cli("explain", described, "--html", "out/report.html")
    assert (done.code, done.out) == (0, "") and "out/report.html" in done.err
    return tmp_path / "out/report.html"


def test_the_page_is_whole_and_loads_nothing(written: Path, described: Path) -> None:
    found = parts_of(written.read_text())
    assert found.title == f"{described.stem} on generic-avx512"
    assert found.tags.count("script") == 2 and not found.addresses
    assert json.loads(found.data)["head"]["model"] == described.stem


def test_the_page_tells_what_the_program_costs(written: Path, described: Path) -> None:
    container, found = Container(described), data_of(written)
    cost = program_cost(parse_module(level_text(container, "device")), machine_of(container))
    assert found["cost"]["seconds"] == cost.seconds and found["cost"]["joules"] == cost.joules
    assert [c["kernel"] for c in found["cost"]["calls"]] == [c.kernel for c in cost.calls] and len(cost.calls) >= 2
    assert all(c["where"] for c in found["cost"]["calls"])
    assert {number["key"] for number in found["numbers"]} >= {"launch", "levels.l3.bandwidth"}
    assert found["machine"][0]["inside"] and found["roofs"][0]["levels"]


def test_levels_can_be_unpacked_and_what_is_cut_says_so(
    written: Path,
    cli: Cli,
    described: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = {level["name"]: unpacked(level) for level in data_of(written)["levels"]}
    assert whole == {name: level_text(Container(described), name) for name in ("tensor", "device")}
    monkeypatch.setattr(report_program, "LARGEST", 100)
    assert cli("explain", described, "--html", "cut.html").code == 0
    cut = data_of(tmp_path / "cut.html")["levels"][1]
    assert unpacked(cut) == whole["device"][:100]
    assert cut["note"].startswith("the first 100 of") and "--level device" in cut["note"]


def unpacked(level: dict[str, str]) -> str:
    return zlib.decompress(base64.b64decode(level["packed"])).decode()


def test_obligations_are_those_of_the_report(written: Path, described: Path) -> None:
    assert data_of(written)["assurance"] == json.loads(Container(described).text("report.json"))


def test_an_artifact_without_kernels_has_a_page_without_costs(cli: Cli, model: Path, tmp_path: Path) -> None:
    assert cli("compile", model, "--until", "tensor", "-o", "early.sgm").code == 0
    assert cli("explain", "early.sgm", "--html", "early.html").code == 0
    found = data_of(tmp_path / "early.html")
    assert found["cost"] is None and "no cost" in found["head"]["notes"][0]
    cli("explain", "early.sgm", "--trace", "early.json").refused(2, "compiled until level tensor", "level device")
    assert not (tmp_path / "early.json").exists()


def test_measured_times_are_beside_the_estimates(cli: Cli, with_code: Path, tmp_path: Path) -> None:
    done = cli("explain", with_code, "--measure", "--threads", 1, "--html", "r.html", "--trace", "t.json", "--json")
    assert done.code == 0 and done.json["kernels"]
    calls = data_of(tmp_path / "r.html")["cost"]["calls"]
    assert calls and all(call["measured"] > 0 for call in calls)
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    spans = {process: [e for e in events if e["ph"] == "X" and e["pid"] == process] for process in (1, 2)}
    assert [e["name"] for e in spans[1]] == [e["name"] for e in spans[2]] == [call["kernel"] for call in calls]
    assert [e["dur"] for e in spans[2]] == [pytest.approx(call["measured"] * 1e6) for call in calls]


def test_a_trace_without_measuring(cli: Cli, described: Path, tmp_path: Path) -> None:
    assert cli("explain", described, "--trace", "t.json").code == 0
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert {e["pid"] for e in events} == {1} and all(e["dur"] > 0 for e in events if e["ph"] == "X")


def test_a_file_that_cannot_be_written(cli: Cli, described: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = cli("explain", described, "--html", "file/report.html")
    assert done.code != 0 and "cannot write" in done.err
