"""Timing by the device's own clock, on the stand-in driver: the calls are right, and what is missing is said."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.gpu_probe import pack_probe, packed_tasks, run_probe
from stratagem.compiler.backends.base import load_backend
from stratagem.compiler.backends.gpu.cuda import lacking
from stratagem.compiler.backends.gpu.plan import KernelPlan
from stratagem.compiler.ir import parse_module
from stratagem.compiler.probe.gpu.clocks import DeviceClock
from stratagem.compiler.probe.gpu.programs import launch_task, product_task, reads
from stratagem.compiler.probe.gpu.tasks import Task
from stratagem.compiler.probe.store import write_calibration
from stratagem.hwmodels import load_calibration, load_device
from stratagem.runtime.errors import ResourceError
from tests.unit.gpu.standin import StandIn, needs_compiler
from tests.unit.gpu.support import needs_triton

pytestmark = [needs_triton, needs_compiler]

MISSING = "libcuda-that-is-not-there.so.1"
BUDGET = 1e-3
"""Seconds; the stand-in says that everything takes one millisecond, so everything is done once."""


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    device = load_device("h100-sxm")
    code = load_backend("gpu").compile_kernels(parse_module(reads(device, 3, 2, 2, 64)), device)
    small = Task("reads", "reads", dict(code.files), "hbm", held=3 * 256, moved=4 * 256)
    return [launch_task(device), small, *(product_task(device, side, "f16") for side in (16, 32))]


@pytest.fixture
def standin(tasks: list[Task], tmp_path: Path) -> Iterator[StandIn]:
    plans, sources = {}, {}
    for task in tasks[:3]:
        kernels = json.loads(task.files["kernels.json"])["kernels"]
        plans[task.kernel] = KernelPlan.from_json(kernels[task.kernel]["plan"])
        sources[task.kernel] = task.files[f"{task.kernel}.py"].decode()
    standin = StandIn(tmp_path, plans, sources)
    standin.setup()
    yield standin
    standin.close()


def test_tasks_are_timed_and_leave_nothing_behind(tasks: list[Task], standin: StandIn) -> None:
    clock = DeviceClock(BUDGET, standin.path)
    assert (clock.label, clock.kind) == ("measured on stand-in device", "measured")
    for task in tasks[:3]:
        assert clock.seconds(task) == pytest.approx(1e-3)
    for inward in (True, False):
        assert clock.transfer(4096, inward) == pytest.approx(1e-3)
    clock.close()
    assert standin.problems == {} and standin.live_blocks == 0 and standin.live_contexts == 0
    assert {name for name, *_ in standin.launches} == {f"{task.kernel}_0" for task in tasks[:3]}


def test_kernels_for_another_device_are_not_timed(tasks: list[Task], standin: StandIn) -> None:
    standin.setup(capability=80)
    clock = DeviceClock(BUDGET, standin.path)
    with pytest.raises(ResourceError, match=r"the code is for compute capability 9\.0, stand-in device has 8\.0"):
        clock.seconds(tasks[2])
    clock.close()


def test_without_a_device_it_is_said_what_is_missing(standin: StandIn) -> None:
    with pytest.raises(ResourceError, match=f"a GPU is to be measured, and here is no CUDA driver .*{MISSING}"):
        DeviceClock(BUDGET, MISSING)
    standin.setup(devices=0)
    with pytest.raises(ResourceError, match="here is a CUDA driver, but no device"):
        DeviceClock(BUDGET, standin.path)
    assert "too old" in lacking("libc.so.6")


def test_a_packed_probe_becomes_a_calibration(
    tasks: list[Task], standin: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kernels.zip"
    with zipfile.ZipFile(path, "w") as archive:
        pack_probe(archive, "h100-sxm", tasks[:3])
    with zipfile.ZipFile(path) as archive:
        assert packed_tasks(archive) == tasks[:3]
    assert run_probe(path, MISSING) is None
    assert "probe: not run: no CUDA driver" in capsys.readouterr().out
    document = run_probe(path, standin.path, BUDGET)
    assert document is not None and document["source"]["note"] == "benchmarks.gpu_check: measured on stand-in device"
    written = tmp_path / "out.calibration.yaml"
    written.write_text(json.dumps(document, indent=1))
    found = load_calibration(written)
    assert set(found.levels) == {"hbm"} and set(found.rates) == {"tensor"} and set(found.links) == {"in", "out"}
    write_calibration(written, document)
    assert load_calibration(written).levels == found.levels


def test_an_archive_without_tasks_says_so(standin: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.zip"
    zipfile.ZipFile(path, "w").close()
    assert run_probe(path, standin.path) is None
    assert "the archive has no tasks" in capsys.readouterr().out
