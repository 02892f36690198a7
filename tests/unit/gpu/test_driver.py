"""The driver: on a stand-in CUDA driver through the real launcher, and without one in the interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from stratagem.compiler import knobs
from stratagem.compiler.backends.base import load_backend
from stratagem.compiler.backends.gpu.driver import Driver
from stratagem.compiler.backends.gpu.interpreter import LABEL
from stratagem.compiler.backends.gpu.plan import KernelPlan
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import ArtifactError, ResourceError, RuntimeInputError
from tests.unit.gpu import kernels
from tests.unit.gpu.standin import StandIn, needs_compiler, reference_softmax
from tests.unit.gpu.support import device, needs_triton

pytestmark = [needs_triton, needs_compiler]

MISSING = "libcuda-that-is-not-there.so.1"
TOLERANCE = 40 * 2**-24
"""Rounding of exp, a sum of 37 and a division in f32, on values below one."""


@dataclass
class Rig:
    """Compiled kernels of two modules, and a pretend device that can run them."""

    files: dict[str, bytes]
    standin: StandIn


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("standin")
    files: dict[str, bytes] = {}
    index: dict[str, object] = {}
    with knobs.scope(cache="off"):
        for text in (kernels.softmax("?", 37), kernels.two_phases(5, 33), kernels.gather(7, 5, 3)):
            code = load_backend("gpu").compile_kernels(parse_module(text), device())
            files |= dict(code.files)
            index |= json.loads(code.files["kernels.json"])["kernels"]
    files["kernels.json"] = json.dumps({"arch": "sm_90", "kernels": index}).encode()
    plans = {n: KernelPlan.from_json(e["plan"]) for n, e in json.loads(files["kernels.json"])["kernels"].items()}
    standin = StandIn(folder, plans, {n: files[f"{n}.py"].decode() for n in plans})
    yield Rig(files, standin)
    standin.close()


@pytest.fixture(autouse=True)
def fresh(rig: Rig) -> None:
    rig.standin.launches.clear()
    rig.standin.problems.clear()


def softmax_arrays(rows: int) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], ...]:
    values = np.random.default_rng(3).standard_normal((rows, 37)).astype(np.float32)
    return values, np.full_like(values, np.nan)


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_launches_on_the_device(rig: Rig, rows: int) -> None:
    rig.standin.setup()
    driver = Driver(rig.files, library=rig.standin.path)
    values, out = softmax_arrays(rows)
    report = driver.run("softmax", [values], [out])
    assert (report.device_ran, report.where) == (True, "run on stand-in device")
    assert np.abs(out - reference_softmax(values)).max() < TOLERANCE
    assert rig.standin.problems == {}
    assert [(n, g) for n, g, _, _ in rig.standin.launches] == [("softmax_0", -(-rows // 3))]
    assert rig.standin.live_blocks == 0
    driver.close()
    assert rig.standin.live_contexts == 0


def test_phases_are_launches_in_order_that_share_scratch(rig: Rig) -> None:
    rig.standin.setup()
    driver = Driver(rig.files, library=rig.standin.path)
    values, out = np.arange(165, dtype=np.float32).reshape(5, 33), np.zeros((5, 33), np.float32)
    driver.run("two_phases", [values], [out])
    assert np.array_equal(out, values - values.sum(axis=1, keepdims=True))
    assert [n for n, *_ in rig.standin.launches] == ["two_phases_0", "two_phases_1"]
    assert rig.standin.live_blocks == 0
    driver.close()


def test_failed_assertions_are_read_back(rig: Rig) -> None:
    rig.standin.setup()
    driver = Driver(rig.files, library=rig.standin.path)
    table, out = np.arange(21, dtype=np.float32).reshape(7, 3), np.zeros((5, 3), np.float32)
    driver.run("gather", [table, np.array([6, 0, 3, 3, 1])], [out])
    assert np.array_equal(out, table[[6, 0, 3, 3, 1]])
    with pytest.raises(RuntimeInputError, match=r"kernel 'gather': index is past the table$"):
        driver.run("gather", [table, np.array([6, 0, 3, 3, 7])], [out])
    assert rig.standin.live_blocks == 0
    driver.close()


def test_arrays_that_are_not_contiguous(rig: Rig) -> None:
    rig.standin.setup()
    driver = Driver(rig.files, library=rig.standin.path)
    values, out = softmax_arrays(4)
    wide, transposed = np.repeat(values, 2, axis=1)[:, ::2], np.asfortranarray(out)
    driver.run("softmax", [wide], [transposed])
    assert np.abs(transposed - reference_softmax(values)).max() < TOLERANCE
    driver.close()


def test_empty_inputs_launch_nothing(rig: Rig) -> None:
    rig.standin.setup()
    driver = Driver(rig.files, library=rig.standin.path)
    values, out = softmax_arrays(0)
    driver.run("softmax", [values], [out])
    assert rig.standin.launches == []
    driver.close()


@pytest.mark.parametrize(
    ("devices", "capability", "reason"),
    [
        (0, 90, "no CUDA device here"),
        (1, 100, "the code is for compute capability 9.0, stand-in device has 10.0"),
    ],
)
def test_without_a_fitting_device_the_interpreter_runs(rig: Rig, devices: int, capability: int, reason: str) -> None:
    rig.standin.setup(devices, capability)
    driver = Driver(rig.files, library=rig.standin.path)
    values, out = softmax_arrays(4)
    report = driver.run("softmax", [values], [out])
    driver.close()
    assert (report.device_ran, report.where) == (False, f"{LABEL}: {reason}")
    assert report.lanes == 2 * values.size
    assert np.abs(out - reference_softmax(values)).max() < TOLERANCE
    assert rig.standin.live_contexts == 0


def test_without_a_driver_the_interpreter_runs(rig: Rig) -> None:
    for library in (MISSING, "libc.so.6"):
        assert Driver(rig.files, library=library).where == f"{LABEL}: no CUDA device here"


def test_a_failing_launch_is_an_error_and_frees_memory(rig: Rig) -> None:
    rig.standin.setup()
    files = dict(rig.files)
    index = json.loads(files["kernels.json"])
    index["kernels"]["softmax"]["functions"]["softmax_0"]["shared"] = 10**6
    files["kernels.json"] = json.dumps(index).encode()
    driver = Driver(files, library=rig.standin.path)
    values, out = softmax_arrays(4)
    with pytest.raises(ResourceError, match=r"failed in cuFuncSetAttribute: invalid argument \(error 1\)"):
        driver.run("softmax", [values], [out])
    assert rig.standin.live_blocks == 0
    driver.close()


def test_wrong_calls_are_named(rig: Rig) -> None:
    driver = Driver(rig.files, library=MISSING)
    values, out = softmax_arrays(4)
    with pytest.raises(ArtifactError, match="no GPU kernel 'nothing'"):
        driver.run("nothing", [values], [out])
    with pytest.raises(RuntimeInputError, match="is 4 x 36, the kernel was compiled for \\? x 37"):
        driver.run("softmax", [values[:, :36]], [out])
    with pytest.raises(ArtifactError, match=r"has no kernels\.json"):
        Driver({})


def test_the_driver_needs_neither_mlir_nor_triton(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch_mlir'] = sys.modules['triton'] = None; "
    program += "from stratagem.compiler.backends.gpu.driver import Driver"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
