"""Programs cut over two ranks: as threads of one process and as MPI processes, equal to the single run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stratagem as sg
from stratagem.api.session import open_session
from stratagem.api.verifying import open_verification
from stratagem.compiler.checks.sharding.check import OBLIGATION
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.sharding.rewrite import Builder
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import StratagemError, VerificationError
from stratagem.runtime.executable import Executable

torch = pytest.importorskip("torch", reason="the transformer block is a torch module: pip install 'stratagem[torch]'")
Array = np.ndarray[Any, Any]


def block() -> tuple[Any, Any]:
    torch.manual_seed(0)
    return torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).eval(), torch.randn(2, 8, 32)


def saved(folder: Path, strategy: str) -> tuple[Path, str, Array, Array]:
    module, x = block()
    with torch.no_grad():
        compiled = sg.compile(module, (x,), target="two-hosts", strategy=strategy)
        expected = module(x).numpy()
    name = compiled.signature.inputs[0].name
    return compiled.save(folder / f"{strategy}.sgm"), name, x.numpy(), expected


@pytest.mark.parametrize("strategy", ["tensor", "batch"])
def test_threads_equal_the_single_run(tmp_path: Path, strategy: str) -> None:
    path, name, x, expected = saved(tmp_path, strategy)
    session = open_session(path)
    (result,) = session.run({name: x})
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert session.label == "2 ranks as threads of one process, each: host CPU"


def proof_of_the_cut(strategy: str, ranks: int) -> Finding:
    """What an ordinary compile says of the block on so many ranks."""
    machine = load_machine("two-hosts", {"hosts": ranks})
    module, x = block()
    report = sg.compile(module, (x,), target=machine, strategy=strategy, until="device").report
    (finding,) = [f for f in report.findings if f.obligation == OBLIGATION]
    return finding


@pytest.mark.parametrize("strategy", ["tensor", "batch", "auto"])
@pytest.mark.parametrize("ranks", [2, 4])
def test_every_compile_proves_the_cut(strategy: str, ranks: int) -> None:
    finding = proof_of_the_cut(strategy, ranks)
    assert finding.verdict is Verdict.PROVED and finding.detail == f"{ranks} ranks"


def test_every_compile_refuses_a_wrong_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right = Builder.reduce_scatter
    monkeypatch.setenv("STRATAGEM_REPRODUCERS", str(tmp_path))
    monkeypatch.setattr(Builder, "reduce_scatter", lambda self, value, to, _: right(self, value, to, "max"))
    said = rf"'{OBLIGATION}' does not hold: .* is a reduce_scatter\(max\) of a partial sum over 'node' of linalg"
    with pytest.raises(VerificationError, match=said):
        proof_of_the_cut("tensor", 2)


def test_mpi_equals_the_single_run(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py", reason="needs MPI: pip install 'stratagem[mpi]'")
    launcher = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if launcher is None:
        pytest.skip("mpiexec is not installed: pip install 'stratagem[mpi]'")
    path, name, x, expected = saved(tmp_path, "tensor")
    np.savez(tmp_path / "in.npz", allow_pickle=False, **{name: x})
    program = [sys.executable, "-m", "stratagem.cli.main", "run", str(path)]
    options = ["--inputs", str(tmp_path / "in.npz"), "--output", str(tmp_path / "out.npz")]
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [launcher, "-n", "2", *program, *options], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "2 MPI ranks, each: host CPU" in done.stderr
    with np.load(tmp_path / "out.npz") as results:
        np.testing.assert_allclose(results[results.files[0]], expected, rtol=1e-4, atol=1e-5)


def test_one_ranks_error_ends_the_others_too(tmp_path: Path) -> None:
    path, name, x, _ = saved(tmp_path, "tensor")
    session = open_session(path)
    with pytest.raises(StratagemError, match="shape"):
        session.run({name: x[:, :5]})


def findings(path: Path, name: str, x: Array) -> list[Finding]:
    return open_verification(path, "two-hosts").run_findings({name: x})


def test_kernels_are_tested_on_every_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, name, x, _ = saved(tmp_path, "tensor")
    assert {f.verdict for f in findings(path, name, x)} == {Verdict.TESTED}
    right, seen = Executable.run_kernel, list[Executable]()

    def wrong_on_the_second_rank(self: Executable, *arguments: Any, **named: Any) -> list[Array]:
        if self not in seen:
            seen.append(self)
        results = right(self, *arguments, **named)
        return [r + np.float32(0.25) for r in results] if self is seen[-1] and len(seen) == 2 else results

    monkeypatch.setattr(Executable, "run_kernel", wrong_on_the_second_rank)
    refuted = [f for f in findings(path, name, x) if f.verdict is Verdict.REFUTED]
    assert refuted and all(f.level == "code" and "reference" in f.detail for f in refuted)
