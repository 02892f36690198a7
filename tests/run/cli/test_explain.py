"""`stratagem explain`, `verify`, `hw` and `opt` on a real artifact."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.artifact import backend_reports
from stratagem.compiler.passes.tile_kernels import TileKernels
from stratagem.runtime.container import Container
from stratagem.runtime.errors import ArtifactError, PassError
from tests.run.cli.conftest import Cli, write_model


def test_explain_in_text(cli: Cli, artifact: Path) -> None:
    done = cli("explain", artifact)
    assert done.code == 0 and done.err == ""
    for part in (
        "matmul on cpu/",
        "of host, 1 call",
        "tiles",
        "of ?",
        "device/tile-kernels",
        "parameters",
        "obligations",
    ):
        assert part in done.out, done.out


def test_explain_in_json(cli: Cli, artifact: Path) -> None:
    facts = cli("explain", artifact, "--json").json
    assert facts["target"] == "cpu" and facts["until"] == "code" and facts["ranks"] == 1 and facts["level"] == "system"
    matmul = next(k for k in facts["kernels"] if k["function"] == "matmul")
    assert (matmul["class"], matmul["member"], matmul["calls"], matmul["reason"]) == ("cpu", "host", 1, "")
    assert f"cpu/{matmul['unit']}" in matmul["candidates"]
    assert matmul["loops"][0]["where"] == "core" and matmul["loops"][0]["extents"][0] is None
    assert matmul["claimed"] and matmul["operations"] is None
    assert facts["totals"]["kernels"] == len(facts["kernels"]) and facts["totals"]["operations"] is None
    assert facts["parameter_bytes"] >= 13 * 17 * 4
    assert [t["pass"] for t in facts["timings"]][-1] == "plan-memory"
    assert 0 < sum(t["seconds"] for t in facts["timings"]) < facts["seconds"]


def test_explain_work_of_static_sizes(cli: Cli, tmp_path: Path) -> None:
    """2 operations per multiply-add: 5 x 13 x 17 of them."""
    write_model(tmp_path / "m.onnx", "(float[5,13] x, float[13,17] w) => (float[5,17] y) {y = MatMul(x, w)}")
    assert cli("compile", "m.onnx", "--until", "device").code == 0
    facts = cli("explain", "m.sgm", "--json").json
    assert facts["totals"]["operations"] == 2 * 5 * 13 * 17
    assert facts["totals"]["bytes"] == 4 * (5 * 13 + 13 * 17 + 5 * 17)
    assert facts["level"] == "device" and facts["kernels"][0]["member"] == ""
    assert "2.21 kop" in cli("explain", "m.sgm").out


@pytest.mark.parametrize("rows", [1, 7, 129])
def test_explain_work_of_free_sizes(cli: Cli, artifact: Path, rows: int) -> None:
    """The matmul's 2 x 13 x 17 a row, the bias's 17 and the sum's 17; bytes as numpy counts them."""
    facts = cli("explain", artifact, "--size", f"x={rows},13", "--json").json
    assert facts["totals"]["operations"] == rows * (2 * 13 * 17 + 17 + 17)
    matmul = next(k for k in facts["kernels"] if k["function"] == "matmul")
    assert matmul["bytes"] == 4 * (rows * 13 + 13 * 17 + 17 + rows * 17)
    shown = cli("explain", artifact).out
    assert "depends on sizes known at run time" in shown and "--size" in shown
    assert "depends on" not in cli("explain", artifact, "--size", f"x={rows},13").out


def test_explain_sizes_that_cannot_be(cli: Cli, artifact: Path) -> None:
    cli("explain", artifact, "--size", "z=3,13").refused(2, "there is no input 'z'", "x: f32[?, 13]")
    cli("explain", artifact, "--size", "x=3,14").refused(7, "'x'", "[3, 14]")
    cli("explain", artifact, "--size", "x=3,n").refused(2, "--size x=3,n cannot be read")


def test_explain_says_why_the_host(cli: Cli, tmp_path: Path) -> None:
    """Work in half precision, which no unit of these processors has, stays on the host and says so."""
    write_model(tmp_path / "m.onnx", "(float16[5,13] x, float16[5,13] w) => (float16[5,13] y) {y = Mul(x, w)}")
    assert cli("compile", "m.onnx", "--until", "device", "--target", "upmem-rank").code == 0
    (kernel,) = cli("explain", "m.sgm", "--json").json["kernels"]
    assert kernel["class"] != "upmem-rank" and "mul on f16" in kernel["reason"]
    assert kernel["reason"] in cli("explain", "m.sgm").out


def test_explain_shows_what_backends_made(cli: Cli, artifact: Path) -> None:
    facts = cli("explain", artifact, "--json").json
    matmul = next(k for k in facts["kernels"] if k["function"] == "matmul")
    assert matmul["backend"] == "cpu" and matmul["code"]["emitted"] == ["kernels.o"]
    assert any(" lanes" in loop for loop in matmul["code"]["loops"])
    shown = cli("explain", artifact).out
    assert "kernels.o by cpu" in shown and f"loops: {matmul['code']['loops'][0]}" in shown
    held = json.loads(Container(artifact).text("backends.json"))
    assert held["version"] == 1 and "backends.json" in Container(artifact).manifest["digests"]


def test_explain_shows_resources_and_refusals(cli: Cli, tmp_path: Path) -> None:
    """One kernel becomes a DPU program, with its memory against the limits; a sine has no C form and stays here."""
    write_model(
        tmp_path / "m.onnx",
        "(float[5,13] x, float[13,7] w) => (float[5,7] y, float[5,1] z) <int64[1] axis = {1}> {"
        "  y = MatMul(x, w)  s = Sin(x)  z = ReduceSum <keepdims = 1> (s, axis) }",
    )
    assert cli("compile", "m.onnx", "--target", "cpu-upmem").code == 0
    kernels = cli("explain", "m.sgm", "--json").json["kernels"]
    away = next(k for k in kernels if k["function"] == "matmul")
    assert (away["member"], away["backend"]) == ("pim", "upmem")
    assert away["code"]["emitted"] == [f"{away['name']}.dpu.c", "host.c"]
    assert 0 < away["code"]["wram_total"] <= away["code"]["wram_limit"]
    here = next(k for k in kernels if "sin" in k["reason"])
    assert (here["member"], here["backend"], here["code"]["emitted"]) == ("host", "cpu", ["kernels.o"])
    shown = cli("explain", "m.sgm").out
    assert f"wram_total {away['code']['wram_total']}" in shown and here["reason"] in shown


def test_reports_of_another_version_are_refused(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratagem.compiler.artifact.BACKENDS_VERSION", 2)
    with pytest.raises(ArtifactError, match="reports of version 1, this one reads 2"):
        backend_reports(Container(artifact))


def test_artifacts_without_code_have_no_reports(cli: Cli, device_only: Path) -> None:
    assert backend_reports(Container(device_only)) == {}
    (kernel, *_) = cli("explain", device_only, "--json").json["kernels"]
    assert (kernel["backend"], kernel["code"]) == ("", {})


def test_explain_before_kernels(cli: Cli, model: Path) -> None:
    assert cli("compile", model, "--until", "tensor").code == 0
    done = cli("explain", "net.sgm")
    assert done.code == 0 and "kernels: none" in done.out and "0 kernels" in done.out


@pytest.mark.parametrize("level", ["tensor", "device", "system", "physical"])
def test_explain_prints_levels(cli: Cli, artifact: Path, level: str) -> None:
    assert (
        cli("explain", artifact, "--level", level).out.strip()
        == Container(artifact).text(f"levels/{level}.mlir").strip()
    )


def test_explain_of_no_level_and_no_artifact(cli: Cli, device_only: Path, model: Path) -> None:
    cli("explain", device_only, "--level", "sytem").refused(2, "there is no level 'sytem'")
    cli("explain", device_only, "--level", "system").refused(8, "until level 'device'")
    cli("explain", model).refused(8, "not an artifact")
    cli("explain", "none.sgm").refused(8, "there is no artifact none.sgm")


def test_verify_an_artifact(cli: Cli, artifact: Path, inputs: Path) -> None:
    done = cli("verify", artifact, "--inputs", inputs, "--json")
    assert done.code == 0
    found = {(f["level"], f["subject"], f["obligation"]): f["verdict"] for f in done.json["findings"]}
    assert found["code", "main", "output y within the derived bound"] == "tested"
    assert found["tensor", "main", "level contract"] == "proved for all sizes"
    assert "refuted" not in done.json["counts"] and done.json["verdict"].endswith("obligations checked")


def test_verify_without_running(cli: Cli, artifact: Path) -> None:
    done = cli("verify", artifact, "--no-run")
    assert done.code == 0 and "tested" not in done.out and "units write apart" in done.out


def test_verify_finds_wrong_code(cli: Cli, artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code whose results are off by a little more than rounding allows ends with exit code 6."""
    from stratagem.runtime.executable import Executable

    right: Any = Executable._run

    def wrong(self: Executable, arrays: Any) -> Any:
        results = right(self, arrays)
        results[0][0, 0] += np.float32(1e-3)
        return results

    monkeypatch.setattr(Executable, "_run", wrong)
    done = cli("verify", artifact)
    assert done.code == 6 and "REFUTED: 1 of" in done.out and "output y within the derived bound" in done.out


def test_hardware_commands(cli: Cli, tmp_path: Path) -> None:
    assert "generic-avx512" in cli("hw", "list").out
    assert any(m["name"] == "h100" for m in cli("hw", "list", "--json").json)
    assert cli("hw", "new", "mine", "--like", "generic-avx2").code == 0
    assert cli("hw", "check", "mine.yaml").code == 0
    (tmp_path / "mine.yaml").write_text("hw: 1\ndevice: mine\n")
    assert cli("hw", "check", "mine.yaml").code == 4
    cli("hw", "show", "h1000").refused(4, "did you mean")


def test_opt_applies_passes(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "in.mlir").write_text(Container(artifact).text("levels/tensor.mlir"))
    done = cli("opt", "in.mlir", "--passes", "form-kernels; match-functions", "--target", "generic-avx2")
    assert done.code == 0 and 'class = "generic-avx2"' in done.out and "scf.forall" not in done.out


def test_opt_lists_passes(cli: Cli) -> None:
    assert "tile-kernels" in cli("opt", "--list").out.split()


def test_opt_refusals(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "in.mlir").write_text("module {}")
    cli("opt", "in.mlir", "--passes", "tile-kernel").refused(2, "there is no pass 'tile-kernel'", "tile-kernels")
    cli("opt", "in.mlir", "--passes", "tile-kernels{size=8}").refused(2, "no option 'size'")
    cli("opt", "in.mlir").refused(2, "--passes")
    cli("opt", "none.mlir", "--passes", "mlir{pipeline=cse}").refused(2, "none.mlir")
    (tmp_path / "in.mlir").write_text("module {")
    cli("opt", "in.mlir", "--passes", "mlir{pipeline=cse}").refused(5, "not valid IR", "in.mlir", "1:7")


@pytest.mark.parametrize("fault", [PassError("the tile is odd"), ZeroDivisionError("division by zero")])
def test_a_failing_pass_can_be_replayed(
    cli: Cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(TileKernels, "apply", fail)
    done = cli("compile", model, "--target", "generic-sse")
    done.refused(5, "pass 'tile-kernels' of stage 'device' failed", str(fault), "replay with: stratagem opt ")
    assert [p.name for p in tmp_path.iterdir()] == ["stratagem-reproducers"]
    replay = shlex.split(done.err.partition("replay with: stratagem ")[2])
    assert "scf.forall" not in Path(replay[1]).read_text()
    cli(*replay).refused(5, "pass 'tile-kernels' of stage 'opt' failed", str(fault))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    fixed = cli(*replay)
    assert fixed.code == 0 and "scf.forall" in fixed.out
    assert 'class = "generic-sse"' in fixed.out  # the hardware came along


def test_a_full_disk_does_not_hide_the_failure(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PassError("the tile is odd")

    monkeypatch.setattr(TileKernels, "apply", fail)
    Path("stratagem-reproducers").touch()
    cli("compile", model).refused(5, "the tile is odd", "no reproducer was written")
