"""Libraries of other projects, offered by the hardware files in `examples/hardware/`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stratagem.api.compiling import load
from stratagem.api.verifying import verification_of
from stratagem.compiler import knobs
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.hwmodels import check_file, load_device
from stratagem.runtime.errors import ArtifactError
from stratagem.runtime.needed_libraries import NeededLibrary, load_libraries
from tests.unit.libraries.support import QUICK, compiled, product

EXAMPLES = Path(__file__).parents[3] / "examples/hardware"
NAMES = ("cpu-onednn", "cpu-openblas")
RNG = np.random.default_rng(7)


def preferring(name: str, folder: Path) -> Path:
    """The example with a rate that wins every estimate; skips where its library is not installed."""
    text = (EXAMPLES / f"{name}.yaml").read_text()
    (unit,) = load_device(EXAMPLES / f"{name}.yaml").libraries_for("matmul", "f32")
    try:
        load_libraries([NeededLibrary.of(unit.calls["matmul"])])
    except ArtifactError as error:
        pytest.skip(f"{error.problem}; {error.hint}")
    path = folder / f"{name}.yaml"
    path.write_text(re.sub(r"rate: \{f32: \d+ op/cy\}", f"rate: {{f32: {QUICK}}}", text))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_examples_have_no_problems(name: str) -> None:
    assert check_file(EXAMPLES / f"{name}.yaml") == []


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_its_results_are_within_the_derived_bound(name: str, threads: int, tmp_path: Path) -> None:
    weight = RNG.normal(size=(300, 520)).astype(np.float32)
    with knobs.scope(threads=threads):
        model = compiled(product(130, 520, 300, weight=True, follow=True), preferring(name, tmp_path), weight)
        assert model.compilation.code.libraries, "the library does it"
        a = RNG.normal(size=(130, 300)).astype(np.float32)
        np.testing.assert_allclose(model(a), np.maximum(a @ weight + 1, 0), rtol=1e-4, atol=1e-3)
        findings = verification_of(model).run_findings({"a": a})
    assert {f.verdict for f in findings} == {Verdict.TESTED}


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_no_threads_of_its_own(name: str, tmp_path: Path) -> None:
    path = compiled(product(256, 512, 256), preferring(name, tmp_path)).save(tmp_path / "m.sgm")
    program = f"""
import os, sys, numpy as np
from stratagem.runtime.bindings import load_runtime
from stratagem.runtime.executable import load_executable
load_runtime().set_threads(2)
exe = load_executable({str(path)!r})
a, b = np.ones((256, 256), np.float32), np.ones((256, 512), np.float32)
threads = lambda: len(os.listdir("/proc/self/task"))
before = threads()
for _ in range(20):
    exe(a, b)
print(threads() - before)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(run.stdout) <= 1, "at most our own pool's second thread"


def test_torch_beside_it_keeps_its_own_copy(tmp_path: Path) -> None:
    """PyTorch holds functions of the same names in another version."""
    torch = pytest.importorskip("torch")
    a, b = torch.randn(64, 64), torch.randn(64, 64)
    path = compiled(product(64, 64, 64), preferring("cpu-onednn", tmp_path)).save(tmp_path / "m.sgm")
    before = torch.nn.functional.linear(a, b)
    (got,) = load(path)(a.numpy(), b.numpy())
    np.testing.assert_allclose(got, (a @ b).numpy(), rtol=1e-4, atol=1e-4)
    assert torch.equal(torch.nn.functional.linear(a, b), before)
    convolved = torch.nn.functional.conv2d(torch.ones(1, 8, 9, 9), torch.ones(8, 8, 3, 3))
    assert float(convolved[0, 0, 0, 0]) == 72.0
