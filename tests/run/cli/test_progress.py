"""Long work says what it is doing: on a terminal only, and in the order of its stages."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from stratagem.api.compiling import compile
from stratagem.api.verifying import open_verification
from stratagem.cli.progress import COMPILING, VERIFYING
from tests.run.cli.conftest import Array, Cli

ROOT = Path(__file__).parents[3]


def in_order(told: list[str], stages: tuple[str, ...]) -> bool:
    """Every stage was told, each after the one before it."""
    return list(dict.fromkeys(told)) == list(stages)


def test_compiling_tells_its_stages(model: Path) -> None:
    told: list[tuple[str, str]] = []
    compile(model, progress=lambda *step: told.append(step))
    assert in_order([stage for stage, _ in told], COMPILING)
    assert ("device", "tile-kernels") in told and ("device", "checks") in told and ("code", "link") in told


def test_verifying_tells_its_stages(artifact: Path, arrays: dict[str, Array]) -> None:
    told: list[tuple[str, str]] = []
    verification = open_verification(artifact, "cpu", lambda *step: told.append(step))
    verification.report()
    verification.level_findings()
    verification.run_findings(arrays)
    assert in_order([stage for stage, _ in told], VERIFYING)
    assert ("proofs", "level device") in told


def on_terminal(*arguments: object) -> tuple[int, str]:
    """Exit code, and what reached a terminal on standard error."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "stratagem.cli.main", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how a terminal whose other end was closed says so
            pass
        process.communicate()
    os.close(ours)
    return process.returncode, shown.decode(errors="replace")


def test_a_bar_on_a_terminal(artifact: Path) -> None:
    code, shown = on_terminal("verify", artifact)
    assert code == 0 and "whole" in shown and "code and reference" in shown


def test_no_bar_in_machine_readable_output(artifact: Path) -> None:
    assert on_terminal("verify", artifact, "--json") == (0, "")


def test_no_bar_in_a_file(cli: Cli, artifact: Path) -> None:
    done = cli("verify", artifact, "--no-run")
    assert done.code == 0 and "proofs" not in done.err and "\x1b" not in done.err


def test_a_sweep_counts_its_points(artifact: Path) -> None:
    vary = ("--vary", "levels.core.count=2,4", "--target", "generic-avx2")
    code, shown = on_terminal("sweep", artifact, *vary)
    assert code == 0 and "0/2" in shown and "1/2" in shown and "levels.core.count 4" in shown
    quiet, nothing = on_terminal("sweep", artifact, *vary, "--json")
    assert (quiet, nothing) == (0, "")
