"""The examples run. Each one compares its own results and fails when they differ."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(name: str, *arguments: object) -> str:
    """What an example prints; fails with its error output when it does."""
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_hardware_that_does_not_exist() -> None:
    shown = run("made_up_device.py")
    for level in ("tensor", "device", "system", "physical"):
        assert f"level {level}" in shown
    assert "matmul on tile-engine-2031/matrix" in shown
    assert re.search(r"kernels proved safe for all sizes; code not run; all \d+ obligations checked", shown)


def test_two_ranks(tmp_path: Path) -> None:
    shown = run("two_ranks.py", "--keep", tmp_path / "ranks.sgm")
    assert "system.all_reduce" in shown and "2 ranks as threads" in shown
    assert (tmp_path / "ranks.sgm").exists()


def test_torch_backend() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("this example compiles a PyTorch module; torch is not installed")
    assert run("torch_backend.py").count("largest difference from eager") == 2


def test_first_run(tmp_path: Path) -> None:
    """Runs where its model is at hand already; `make run` downloads it."""
    wheels = sorted((ROOT / ".cache").glob("magika-*.whl"))
    if not wheels or importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("the example's model is not in .cache (`make run` downloads it), or onnxruntime is not installed")
    shutil.copy(wheels[0], tmp_path)
    shown = run("first_run.py", "--cache", tmp_path)
    assert "is python" in shown and "compare   largest difference" in shown


def test_every_example_is_tried_here() -> None:
    text = Path(__file__).read_text()
    for path in (ROOT / "examples").glob("*.py"):
        assert f'"{path.name}"' in text, f"{path.name} has no test"
