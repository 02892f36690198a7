"""Links between ranks, measured over MPI and written as a system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stratagem.compiler.probe.found import Link
from stratagem.compiler.probe.links import system_text
from stratagem.hwmodels import load_device, load_machine

LAUNCHER = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def written(tmp_path: Path, hosts: list[str], links: dict[str, Link]) -> Path:
    path = tmp_path / "ranks.yaml"
    path.write_text(system_text(load_device("generic-avx2"), hosts, links))
    return path


def test_ranks_of_two_hosts_are_two_tiers(tmp_path: Path) -> None:
    links = {"inside": Link(1e-6, 1e10), "between": Link(2e-5, 3e9)}
    system = load_machine(written(tmp_path, ["a", "a", "b", "b"], links))
    assert [(t.name, t.count) for t in system.tiers] == [("network", 2), ("node", 2)]
    assert system.tiers[0].link is not None and system.tiers[1].link is not None
    assert (system.tiers[0].link.latency, system.tiers[0].link.bandwidth) == (2e-5, 3e9)
    assert (system.tiers[1].link.latency, system.tiers[1].link.bandwidth) == (1e-6, 1e10)


def test_one_rank_on_each_host_is_one_tier(tmp_path: Path) -> None:
    system = load_machine(written(tmp_path, ["a", "b", "c"], {"between": Link(2e-5, 3e9)}))
    assert [(t.name, t.count) for t in system.tiers] == [("network", 3)]


@pytest.mark.skipif(LAUNCHER is None, reason="mpiexec is not installed: pip install 'stratagem[mpi]'")
def test_two_ranks_measure_what_lies_between_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stratagem.cli.main", "hw", "probe", "--links", "-o", str(tmp_path / "here.yaml")]
    done = subprocess.run([str(LAUNCHER), "-n", "2", *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [tier] = load_machine(tmp_path / "here.yaml").tiers
    assert tier.link is not None and tier.link.latency is not None and tier.link.bandwidth is not None
    assert 1e-8 < tier.link.latency < 1e-1 and 1e7 < tier.link.bandwidth < 1e12


def test_one_rank_has_no_links(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stratagem.cli.main", "hw", "probe", "--links"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 2 and "mpiexec -n 2" in done.stderr
