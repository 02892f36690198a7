"""Proves and times GPU kernels on a machine that has a GPU, and measures the GPU.

    python -m benchmarks.gpu_check pack kernels.zip --target h100    # anywhere: compiles, and computes references
    python -m benchmarks.gpu_check run kernels.zip out.json          # with a GPU: numpy and its driver are enough

`run` first compares every kernel with its reference within the derived rounding bound, then times it at a large size,
on buffers that stay on the device. Where torch with CUDA is installed, its time for the same work stands beside ours.
Then it does what `stratagem hw probe --target` does, and writes the calibration to out.calibration.yaml. TARGET must be
the description of that GPU for it to be one.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_probe import PREFIX, pack_probe, run_probe
from stratagem.compiler.backends.gpu.binding import bind
from stratagem.compiler.backends.gpu.cuda import LIBRARY, CudaDevice
from stratagem.compiler.backends.gpu.driver import INDEX, Driver
from stratagem.compiler.backends.gpu.plan import KernelPlan
from stratagem.runtime.signature import NUMPY_TYPES

Array = np.ndarray[Any, Any]

REPEATS = 50


@dataclass(frozen=True)
class Case:
    """One kernel: how to write it, sizes of the dynamic dimension to check and to time, and its work.

    `operations` and `bytes` are per row of the dynamic dimension at the timed size.
    """

    build: Callable[[str], str]
    dtype: str
    check_rows: int
    time_rows: int
    operations: float
    bytes: float


def cases() -> dict[str, Case]:
    """The kernels of the test suite, with tiles of production size."""
    from tests.unit.gpu import kernels

    n, k = 4096, 4096
    return {
        "matmul_gelu": Case(
            lambda t: kernels.matmul_gelu("?", k, n, t, tile=(128, 256, 64)),
            "bf16",
            33,
            4096,
            2.0 * k * n,
            2.0 * (k + n),
        ),
        "scale_add": Case(
            lambda t: kernels.scale_add("?", n, t, tile=8, columns=512), "bf16", 9, 16384, 3.0 * n, 4.0 * n
        ),
        "softmax": Case(lambda t: kernels.softmax("?", n, t, tile=1), "bf16", 5, 16384, 5.0 * n, 4.0 * n),
        "layer_norm": Case(lambda t: kernels.layer_norm("?", n, t, tile=1), "bf16", 5, 16384, 8.0 * n, 4.0 * n),
    }


def pack(path: Path, target: str, chosen: dict[str, Case]) -> None:
    """Compiles the cases for a target and stores them with inputs, references and bounds."""
    from stratagem.compiler.backends.base import load_backend
    from stratagem.compiler.interpreter.api import reference_with_bound
    from stratagem.compiler.ir import parse_module
    from stratagem.hwmodels import load_device

    device, backend = load_device(target), load_backend("gpu")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, case in chosen.items():
            code = backend.compile_kernels(parse_module(case.build(case.dtype)), device)
            for file, content in code.files.items():
                archive.writestr(f"{name}/{file}", content)
            plan = KernelPlan.from_json(json.loads(code.files[INDEX])["kernels"][name]["plan"])
            arrays = _random(plan, case.check_rows)
            wide = [np.nan_to_num(a.astype(np.float32)) for a in arrays]
            value, bound = reference_with_bound(parse_module(case.build("f32")), wide, function=name)[0]
            unit = {"bf16": 2.0**-8, "f16": 2.0**-11, "f32": 0.0}[case.dtype]
            _store(archive, f"{name}/reference.npz", value=value, bound=bound + unit * (np.abs(value) + bound))
            work: dict[str, float] = {"rows": case.time_rows, "check_rows": case.check_rows}
            work |= {"operations": case.operations * case.time_rows, "bytes": case.bytes * case.time_rows}
            archive.writestr(f"{name}/work.json", json.dumps(work))
            print(f"{name}: {json.dumps(code.report['kernels'][name]['functions'])}")


def add_probe(path: Path, target: str) -> None:
    """Adds what a probe times."""
    from stratagem.compiler.probe.gpu.programs import gpu_tasks
    from stratagem.hwmodels import load_device

    device = load_device(target)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        pack_probe(archive, device.name, list(gpu_tasks(device, print)))


def run(path: Path, library: str = LIBRARY, repeats: int = REPEATS) -> dict[str, Any]:
    """Checks and times every packed kernel; the result is what `out.json` holds."""
    results: dict[str, Any] = {}
    with zipfile.ZipFile(path) as archive:
        names = sorted({n.split("/")[0] for n in archive.namelist() if "/" in n and not n.startswith(PREFIX)})
        for name in names:
            files = {n.split("/")[1]: archive.read(n) for n in archive.namelist() if n.startswith(f"{name}/")}
            results[name] = _run_case(name, files, library, repeats)
            print(f"{name}: {json.dumps(results[name])}", flush=True)
    return results


def _run_case(name: str, files: dict[str, bytes], library: str, repeats: int) -> dict[str, Any]:
    driver = Driver(files, library=library)
    work = json.loads(files["work.json"])
    reference = np.load(io.BytesIO(files["reference.npz"]))
    arrays = _random(driver.plans[name], work["check_rows"])
    report = driver.run(name, arrays[:-1], arrays[-1:])
    error = np.abs(arrays[-1].astype(np.float64) - reference["value"])
    share = float((error / np.maximum(reference["bound"], np.finfo(np.float64).tiny)).max())
    result: dict[str, Any] = {"where": report.where, "error_share_of_bound": share, "right": share <= 1.0}
    if driver.cuda is not None:
        seconds = _time(driver, driver.cuda, name, work["rows"], repeats)
        result |= {"seconds": seconds, "tflops": work["operations"] / seconds / 1e12}
        result |= {
            "gbytes_per_second": work["bytes"] / seconds / 1e9,
            "torch_seconds": _torch(name, driver, work["rows"]),
        }
    driver.close()
    return result


def _time(driver: Driver, cuda: CudaDevice, name: str, rows: int, repeats: int) -> float:
    """Seconds per call on device buffers, after a warm-up."""
    arrays = _random(driver.plans[name], rows)
    call = bind(driver.plans[name], arrays)
    addresses = [cuda.allocate(a.nbytes) for a in arrays] + [cuda.allocate(size) for size in call.scratch]
    try:
        for array, address in zip(arrays, addresses, strict=False):
            cuda.upload(address, array)
        for _ in range(3):
            driver.launch(cuda, call, addresses)
        cuda.synchronize()
        return cuda.seconds(lambda: driver.launch(cuda, call, addresses), repeats)
    finally:
        for address in addresses:
            cuda.free(address)


def _torch(name: str, driver: Driver, rows: int) -> float | None:
    """Seconds torch takes for the same work; None without torch on CUDA."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    arrays = _random(driver.plans[name], rows)[:-1]
    tensors = [torch.from_numpy(a.astype(np.float32)).cuda().bfloat16() for a in arrays]
    functional = torch.nn.functional
    same: dict[str, Callable[..., Any]] = {
        "matmul_gelu": lambda a, w, b: functional.gelu(torch.addmm(b, a, w), approximate="tanh"),
        "scale_add": lambda x, s, y: torch.relu(x * s + y),
        "softmax": lambda a: torch.softmax(a, -1),
        "layer_norm": lambda a, s, b: functional.layer_norm(a, a.shape[-1:], s, b),
    }
    for _ in range(3):
        same[name](*tensors)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(REPEATS):
        same[name](*tensors)
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / REPEATS


def _random(plan: KernelPlan, rows: int) -> list[Array]:
    """Inputs drawn from a fixed seed, so that both machines have the same; destinations hold NaN."""
    random = np.random.default_rng(0)
    arrays = []
    for argument in plan.arguments:
        shape = tuple(rows if n is None else n for n in argument.shape or ())
        values = np.full(shape, np.nan) if argument.role == "dest" else random.standard_normal(shape)
        arrays.append(values.astype(NUMPY_TYPES[argument.dtype]))
    return arrays


def _store(archive: zipfile.ZipFile, name: str, **arrays: Array) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    archive.writestr(name, buffer.getvalue())


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    packing = actions.add_parser("pack")
    packing.add_argument("archive", type=Path)
    packing.add_argument("--target", default="h100")
    running = actions.add_parser("run")
    running.add_argument("archive", type=Path)
    running.add_argument("out", type=Path)
    given = parser.parse_args(arguments)
    if given.action == "pack":
        pack(given.archive, given.target, cases())
        add_probe(given.archive, given.target)
        return 0
    results = run(given.archive)
    given.out.write_text(json.dumps(results, indent=1))
    calibration = run_probe(given.archive)
    if calibration is not None:
        given.out.with_suffix(".calibration.yaml").write_text(json.dumps(calibration, indent=1))  # JSON is YAML
    return 0 if all(r["right"] for r in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
