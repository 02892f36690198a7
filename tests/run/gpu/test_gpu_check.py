"""The check for machines with a GPU, dry: packed here, run without a GPU and on the stand-in driver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu_check
from stratagem.compiler.backends.gpu.plan import KernelPlan
from tests.unit.gpu import kernels
from tests.unit.gpu.standin import StandIn, needs_compiler
from tests.unit.gpu.support import needs_triton

pytestmark = [needs_triton, needs_compiler]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("check") / "kernels.zip"
    case = gpu_check.Case(lambda t: kernels.softmax("?", 37, t), "bf16", 5, 6, 185.0, 148.0)
    gpu_check.pack(path, "h100", {"softmax": case})
    return path


def test_without_a_gpu_results_are_checked_but_not_timed(archive: Path) -> None:
    result = gpu_check.run(archive, library="libcuda-that-is-not-there.so.1")["softmax"]
    assert result["right"] and "interpreted" in result["where"] and "seconds" not in result


def test_on_a_device_results_are_checked_and_timed(archive: Path, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(archive) as packed:
        plan = KernelPlan.from_json(json.loads(packed.read("softmax/kernels.json"))["kernels"]["softmax"]["plan"])
        source = packed.read("softmax/softmax.py").decode()
    standin = StandIn(tmp_path, {"softmax": plan}, {"softmax": source})
    standin.setup()
    result = gpu_check.run(archive, library=standin.path, repeats=2)["softmax"]
    standin.close()
    assert result["right"] and result["where"] == "run on stand-in device"
    assert result["seconds"] == pytest.approx(1e-3 / 2)
    assert standin.problems == {} and standin.live_blocks == 0
