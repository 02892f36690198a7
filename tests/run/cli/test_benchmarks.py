"""The programs in `benchmarks/`: what they print, what they do not know they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import page, prepare, rows, startup, table, verification
from benchmarks.limits import bandwidth, bound_seconds, working_sets
from benchmarks.names import NAMES
from stratagem.api.measure.figures import Row
from stratagem.api.measure.subject import Work, open_subject


class Tiny(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """A table and a product, with a view on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = torch.nn.Embedding(100, 8), torch.nn.Linear(24, 5)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.out(torch.relu(self.table(rows)).flatten(1))
        return result


def tiny() -> rows.Case:
    return rows.Case("tiny", "models", "", Tiny, lambda: (torch.randint(0, 100, (2, 3)),))


def test_names_and_cases_agree() -> None:
    assert {case.name: case.kind for case in rows.CASES} == NAMES


def test_the_work_of_a_row_is_counted(tmp_path: Path) -> None:
    subject = open_subject(prepare.prepare(tiny(), tmp_path))
    assert not subject.missing and set(subject.files) == {".pt2", ".onnx", ".mlir"}
    assert subject.work is not None and subject.reference()[0].dtype == "float64"
    indices, looked_up, linear, result = 2 * 3 * 8, 2 * 3 * 8 * 4, (24 * 5 + 5) * 4, 2 * 5 * 4
    # Looked-up rows and their rectified copies live together; flattened, they are still the same bytes.
    expected = Work(2 * 2 * 24 * 5, indices + looked_up + linear + result, 100 * 8 * 4 + linear, 2 * looked_up)
    assert subject.work in (expected, Work(expected.flops, expected.moved, expected.weights, 2 * looked_up + indices))
    made = (tmp_path / "tiny" / "model.onnx").stat().st_mtime_ns
    prepare.prepare(tiny(), tmp_path)
    assert (tmp_path / "tiny" / "model.onnx").stat().st_mtime_ns == made, "kept files are taken again"


def test_a_small_run_prints_the_table_and_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "NAMES", {"tiny": "models"})
    monkeypatch.setattr(
        table, "measure_limits", lambda threads: {"1": {"gflops": 1.0, "read": {"8": 1}, "triad": {"8": 1}}}
    )
    monkeypatch.setattr(table, "prepared", lambda name, cache: prepare.prepare(tiny(), cache))
    results = tmp_path / "results.json"
    arguments = ["--peers", "onnxruntime", "--threads", "1", "--seconds", "0.05", "--cache", str(tmp_path / "cache")]
    monkeypatch.setattr(sys, "argv", ["table.py", *arguments, "--json", str(results)])
    assert table.main() == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1].startswith("bench: kernels geomean - min -, models geomean ")
    assert "limits, 1 threads: 1 GFLOP/s" in shown and "of need" in shown
    facts: dict[str, Any] = json.loads(results.read_text())
    (found,) = facts["rows"]
    assert [c["peer"] for c in found["contenders"]] == ["stratagem", "onnxruntime"] and found["ratio"] > 0
    written = page.page_text(facts, "before\n<!-- begin of results -->\nstale\n<!-- end of results -->\nafter\n")
    assert "| tiny | 1 |" in written and "stale" not in written and written.startswith("before") and "after" in written


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--rows", "gemm,lenet"], 2, "there is no row lenet; there is gemm, "),
        (["--peers", "gcc"], 2, "there is nothing called 'gcc'"),
    ],
)
def test_unknown_rows_and_peers_are_refused(
    arguments: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["table.py", *arguments])
    try:
        returned: object = table.main()
    except SystemExit as stopped:
        returned = stopped.code
    assert returned == code and message in capsys.readouterr().err


def test_the_bound_is_the_longer_of_arithmetic_and_memory() -> None:
    limits = {"2": {"gflops": 100.0, "read": {"1000": 80, "2000": 90, "9000": 10}, "triad": {}}}
    assert bound_seconds(Row("a", "kernels", 2, [], Work(1e9, 1000, 0, 0)), limits) == 0.01
    assert bound_seconds(Row("a", "kernels", 2, [], Work(0.0, 9000, 0, 0)), limits) == pytest.approx(9e-7)
    assert bandwidth(limits["2"], 500) == 90, "a slower reading of a smaller set was disturbed"
    assert bandwidth(limits["2"], 8999) == 90, "part of it may lie in the cache that holds 2000"
    assert bandwidth(limits["2"], 10**9) == 10
    assert str(bound_seconds(Row("a", "kernels", 1, []), limits)) == "nan"
    assert working_sets() == sorted(working_sets())


def test_starts_are_timed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "median_seconds", lambda command: 0.01)
    startup.main(["model.sgm"])
    shown = capsys.readouterr().out
    assert "stratagem --help" in shown and "stratagem run model.sgm" in shown and "10 ms" in shown


def test_a_process_that_fails_has_no_time() -> None:
    assert startup.median_seconds(["-c", "pass"], 1) > 0
    with pytest.raises(subprocess.CalledProcessError):
        startup.median_seconds(["-c", "raise SystemExit(3)"], 1)


def test_what_checking_costs_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(verification, "CASES", [tiny()])
    verification.main(["--models", "tiny", "--rounds", "1", "--full"])
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["model", "import", "off", "fast", "full"] and row.startswith("tiny") and "%" in row
    with pytest.raises(SystemExit):
        verification.main(["--models", "lenet"])
    assert "there is no row lenet; there is tiny" in capsys.readouterr().err
