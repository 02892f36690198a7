"""The driver: arguments, files, modes, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stratagem.compiler.backends.upmem.driver import Driver
from stratagem.compiler.backends.upmem.facts import DeviceFacts, device_facts
from stratagem.hwmodels import load_device
from stratagem.runtime.errors import ArtifactError, HardwareError, ResourceError, RuntimeInputError, UsageError
from tests.unit.upmem import kernels
from tests.unit.upmem.support import builder, device, driver, emit, random, run


def test_importing_the_driver_needs_no_compiler() -> None:
    script = (
        "import sys, stratagem.compiler.backends.upmem.driver\n"
        "heavy = [m for m in ('torch_mlir', 'torch', 'jax', 'islpy') if m in sys.modules]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_folder_serves_as_well_as_bytes(tmp_path: Path) -> None:
    for name, content in emit(kernels.vector_add(9, 4, 4, 4)).items():
        (tmp_path / name).write_bytes(content)
    a, output = random((9,), "i32", 1), np.zeros(9, np.int32)
    report = Driver(tmp_path, builder=builder()).run("va", [a, a], [output])
    assert (output == 2 * a).all()
    assert "simulated" in str(report) and not report.device_ran


def test_arguments_that_do_not_fit() -> None:
    files = emit(kernels.vector_add(9, 4, 4, 4))
    a = random((9,), "i32")
    with pytest.raises(RuntimeInputError, match="va takes 3 arguments, got 2"):
        run(files, [a], a)
    with pytest.raises(RuntimeInputError, match=r"argument 1: wants 9 of i32, got shape \(8,\) of int32"):
        run(files, [a, a[:8]], a.copy())
    with pytest.raises(RuntimeInputError, match=r"argument 0: wants 9 of i32, got shape \(9,\) of float32"):
        run(files, [a.astype(np.float32), a], a.copy())


def test_strided_and_aliasing_arguments() -> None:
    files = emit(kernels.vector_add(9, 4, 4, 4))
    wide = random((9, 2), "i32", 1)
    output = np.zeros((9, 3), np.int32)
    run(files, [wide[:, 0], wide[:, 1]], output[:, 1])
    assert (output[:, 1] == wide.sum(axis=1)).all() and not output[:, 0].any()
    a = random((9,), "i32", 2)
    kept = a.copy()
    run(files, [a, a], a)
    assert (a == 2 * kept).all()


def test_unknown_kernels_and_missing_files() -> None:
    files = emit(kernels.vector_add(9, 4, 4, 4))
    with pytest.raises(ArtifactError, match="no near-memory kernel 'other'"):
        driver(files).run("other", [], [])
    with pytest.raises(ArtifactError, match=r"has no kernels.json"):
        Driver({k: v for k, v in files.items() if k != "kernels.json"})
    with pytest.raises(ArtifactError, match="is no folder"):
        Driver("/does/not/exist")


def test_hardware_mode_says_that_it_has_never_run() -> None:
    files = emit(kernels.vector_add(9, 4, 4, 4))
    with pytest.raises(ResourceError, match=r"not implemented[\s\S]*dpu-upmem-dpurte-clang .*va.dpu.c"):
        Driver(files, mode="hardware")
    with pytest.raises(UsageError, match="no mode 'gpu'"):
        Driver(files, mode="gpu")


def test_without_a_c_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    made = driver(emit(kernels.vector_add(11, 4, 4, 4)))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CC", "")
    a = random((11,), "i32")
    with pytest.raises(ResourceError, match="no C compiler was found"):
        made.run("va", [a, a], [a.copy()])


def test_facts_survive_json_and_name_what_is_missing() -> None:
    facts = device_facts(device())
    assert DeviceFacts.from_json(facts.to_json()) == facts
    assert (facts.units, facts.threads, facts.granule, facts.burst) == (64, 24, 8, 2048)
    assert round(facts.read_latency) == 77 and round(facts.write_latency) == 61 and facts.dma_rate == 2
    with pytest.raises(HardwareError, match="has 1 group levels, this backend needs two"):
        device_facts(load_device("generic-avx2"))
