"""Measuring a GPU: on a clock that follows a description, the probe finds that description's numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.interpreter import CheckedInterpreter
from stratagem.compiler.cost.device import device_model
from stratagem.compiler.cost.figures import Figures
from stratagem.compiler.probe.document import calibration_document
from stratagem.compiler.probe.found import Found, Link
from stratagem.compiler.probe.gpu.measure import measure_gpu
from stratagem.compiler.probe.gpu.programs import gpu_tasks, reads, working_sets
from stratagem.compiler.probe.gpu.simulated import SimulatedClock
from stratagem.compiler.probe.gpu.tasks import Task, unpacked
from stratagem.compiler.probe.store import write_calibration
from stratagem.hwmodels import Device, load_calibration, load_device
from stratagem.hwmodels.calibrate import calibrated
from stratagem.runtime.errors import HardwareError
from tests.unit.gpu.support import needs_triton, printed

OTHER = """\
hw: 1
device: other
extends: h100-sxm
source: {kind: assumed, spread: 50%}
launch: 9 us
levels:
  - {name: hbm, bandwidth: 1.5 TB/s, pins: !replace {count: 1000, rate: 12 Gbit/s}, utilisation: 80%}
  - {name: l2, size: 20 MB, bandwidth: 4 TB/s}
units:
  - {name: tensor, rate: {f16: 512 op/cy}, sparse: {rate: {f16: 1024 op/cy}}}
peak: {f16: 494.7 TFLOP/s}
"""
"""A device that nobody makes: a probe that writes what it knows of others does not find its numbers."""
LINKS = {"in": Link(7e-6, 50e9), "out": Link(9e-6, 40e9)}


def quiet(what: str) -> None:
    pass


@pytest.fixture(scope="module", params=["h100-sxm", "other"])
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Device:
    if request.param != "other":
        return load_device(request.param)
    path = tmp_path_factory.mktemp("other") / "other.yaml"
    path.write_text(OTHER)
    return load_device(str(path))


@pytest.fixture(scope="module")
def tasks(device: Device) -> list[Task]:
    return list(gpu_tasks(device, quiet, sides=(512, 1024, 4096)))


@needs_triton
def test_the_numbers_of_a_description_are_found(device: Device, tasks: list[Task]) -> None:
    found = measure_gpu(tasks, SimulatedClock(device, LINKS), quiet)
    assert found.launch == pytest.approx(device.launch)
    for level in ("hbm", "l2"):
        bandwidth = device.level_bandwidth(level)
        assert bandwidth is not None
        assert found.bandwidth[level] == pytest.approx(bandwidth * (device.level(level).utilisation or 1), rel=1e-3)
    assert set(found.units) == {("simt", "f32"), ("tensor", "f16"), ("tensor", "bf16")}
    for (name, dtype), rate in found.units.items():
        unit = next(u for u in device.units if u.name == name)
        assert rate == pytest.approx(device.unit_rate(unit, dtype) * unit.utilisation.get(dtype, 1), rel=1e-3)
    for way, link in LINKS.items():
        assert found.links[way].bandwidth == pytest.approx(link.bandwidth, rel=1e-3)
        assert found.links[way].latency == pytest.approx(link.latency, rel=1e-3)


@needs_triton
def test_predictions_on_a_calibration_are_those_on_the_description_it_follows(
    device: Device, tasks: list[Task], tmp_path: Path
) -> None:
    """Shares that large work reaches are not counted twice, and numbers say that nothing was measured."""
    path = tmp_path / "found.yaml"
    found = measure_gpu(tasks, SimulatedClock(device), quiet)
    write_calibration(path, calibration_document(device.name, found, "a test", "simulated"))
    if device.name == "other":  # the file refers to the description by name, and lies beside it
        (tmp_path / "other.yaml").write_text(OTHER)
    laid = calibrated(device, load_calibration(path))
    for dtype in ("f16", "f32"):
        before, after = (vars(device_model(d, dtype, Figures())) for d in (device, laid))
        numbers = {key: value for key, value in before.items() if isinstance(value, float)}
        assert {key: after[key] for key in numbers} == pytest.approx(numbers, rel=1e-3)
    for number in ("launch", "levels.hbm.bandwidth", "units.tensor.rate.f16"):
        assert laid.trust(number).kind == "simulated"


@dataclass
class FixedClock:
    """Products take as long as said, by side; all else takes a microsecond a byte."""

    sides: dict[int, float]
    label: str = "fixed"
    kind: str = "simulated"

    def seconds(self, task: Task) -> float:
        return self.sides[task.size[0]] if task.size else 1e-6 * (1 + task.moved)

    def transfer(self, nbytes: int, inward: bool) -> float | None:
        return None


def product(side: int) -> Task:
    return Task("product", "k", {}, "tensor", "f16", (side,) * 3, operations=2.0 * side**3)


def test_products_are_shares_of_the_best_one(tmp_path: Path) -> None:
    tasks = [Task("launch", "k", {}, latency=4e-7), *map(product, (100, 200, 400))]
    found = measure_gpu(tasks, FixedClock({100: 3e-6, 200: 9e-6, 400: 65e-6}), quiet)
    assert found.launch == pytest.approx(0.6e-6)
    assert found.units == {("tensor", "f16"): pytest.approx(2e12)}
    assert [share.utilisation for share in found.samples] == [pytest.approx(x) for x in (0.5, 1.0, 1.0)]
    assert found.links == {}, "where nobody knows how long a transfer takes, nothing is said of links"
    write_calibration(tmp_path / "c.yaml", calibration_document("h100-sxm", found, "a test", "simulated"))
    error = load_calibration(tmp_path / "c.yaml").leave_one_out()
    assert error == pytest.approx(0.25), "200 lies between a half and all; 100 and 400 are off by 1 and 0.1"


def test_a_cache_is_no_slower_than_what_lies_outside_it() -> None:
    levels = [Task("reads", "k", {}, level, moved=moved) for level, moved in (("hbm", 3.0), ("l2", 1.0))]

    class Busy(FixedClock):
        def seconds(self, task: Task) -> float:
            return {"": 0.0, "hbm": 1.0, "l2": 2.0}[task.subject]

    found = measure_gpu([Task("launch", "k", {}), *levels], Busy({}), quiet)
    assert found.bandwidth == {"hbm": 3.0, "l2": 3.0}


def test_a_device_faster_than_its_start_is_not_infinitely_fast() -> None:
    found = measure_gpu([Task("launch", "k", {}), product(100)], FixedClock({100: 0.5e-6}), quiet)
    assert found.units["tensor", "f16"] == pytest.approx(2e6 / 1e-9)


def test_working_sets_lie_inside_and_outside_the_cache() -> None:
    device = load_device("h100-sxm")
    inside, outside = (working_sets(device, device.level(name)) for name in ("l2", "hbm"))
    assert inside == [12_500_000, 25_000_000] and outside == [400_000_000]


@needs_triton
@pytest.mark.parametrize(("rows", "programs", "passes"), [(5, 3, 4), (2, 5, 3), (7, 1, 7), (1, 1, 1)])
def test_the_reading_kernel_reads_what_it_is_counted_with(rows: int, programs: int, passes: int) -> None:
    width = 24
    kernel = printed(reads(load_device("h100-sxm"), rows, programs, passes, width))
    x = np.arange(rows * width, dtype=np.float32).reshape(rows, width)
    out = np.full((programs, width), np.nan, np.float32)
    interpreter = CheckedInterpreter()
    run = interpreter.run(kernel.source, kernel.plan, [x, out])
    interpreter.close()
    expected = [sum(x[(i + p * programs) % rows] for p in range(passes)) for i in range(programs)]
    assert np.array_equal(out, np.array(expected))
    assert run.lanes == programs * width * (passes + 1)


@needs_triton
def test_tasks_survive_an_archive(tasks: list[Task]) -> None:
    assert [unpacked(task.packed()) for task in tasks] == tasks
    assert len({task.name for task in tasks}) == len(tasks)


def test_a_description_that_the_backend_cannot_compile_for_is_refused() -> None:
    device = load_device("h100-sxm")
    bare = replace(device, target={}, levels=tuple(level for level in device.levels if level.kind != "group"))
    with pytest.raises(HardwareError, match=r"cannot be compiled for .* lacks target\.arch, .*, a group level"):
        next(gpu_tasks(bare, quiet))


def test_a_description_without_memory_around_its_places_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    levels = "levels:\n  - {name: hbm, remove: true}\n  - {name: l2, remove: true}\n"
    path.write_text(f"hw: 1\ndevice: bare\nextends: h100-sxm\nsource: {{kind: assumed, spread: 50%}}\n{levels}")
    with pytest.raises(HardwareError, match="no memory with a size around its groups of units"):
        next(gpu_tasks(load_device(str(path)), quiet))


def test_what_was_not_found_is_not_written() -> None:
    document = calibration_document("d", Found(launch=1e-6), "a test")
    assert document["source"]["kind"] == "measured"
    assert not {"units", "levels", "links", "samples", "scaling"} & set(document)
