"""`--verify full` and `verify --full`: passes and levels compared, code run, all of it in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stratagem.runtime.executable import Executable
from tests.run.cli.conftest import Cli, Outcome

FIELD, SYMBOLS = "same results in the exact field", "same expressions over the reals"


def findings(outcome: Outcome) -> list[dict[str, str]]:
    found: list[dict[str, str]] = outcome.json["findings"]
    return found


def test_a_full_compile_keeps_what_it_found(cli: Cli, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.sgm"
    assert cli("compile", model, "-o", out, "--verify", "full").code == 0
    assert "code tested against float64" in cli("explain", out).out


def test_models_and_artifacts_are_compared(cli: Cli, model: Path, artifact: Path) -> None:
    of_model = findings(cli("verify", model, "--full", "--json"))
    compared = {f["subject"] for f in of_model if f["obligation"] == FIELD}
    assert {"form-kernels", "tile-kernels", "plan-memory"} <= compared
    of_artifact = findings(cli("verify", artifact, "--full", "--json"))
    assert {f["level"] for f in of_artifact if f["obligation"] == FIELD} == {"device", "system", "physical"}
    assert not {f["verdict"] for f in [*of_model, *of_artifact]} & {"refuted"}


def test_code_that_depends_on_scratch_memory_is_refuted(
    cli: Cli, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Executable.run_with_scratch

    def wrong(self: Executable, arguments: Any, byte: int) -> Any:
        results = right(self, arguments, byte)
        results[0].reshape(-1)[-1:] = byte
        return results

    monkeypatch.setattr(Executable, "run_with_scratch", wrong)
    shown = cli("verify", artifact, "--json")
    assert shown.code == 6
    (bad,) = [f for f in findings(shown) if f["verdict"] == "refuted"]
    assert bad["obligation"] == "same results with other scratch contents and one thread"
    assert "differs in 1 of" in bad["detail"]
