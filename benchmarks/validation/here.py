"""Rows that are measured where the command runs: the operators and models of `make bench`, on this machine.

A row's prediction is `program_cost` of the program as compiled for target `cpu`, whose numbers are those of
`stratagem hw probe --measure`; its measurement is the median of many calls of the same program.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.rows import CASES, Case
from benchmarks.validation.rows import Row
from stratagem.api.compiling import CompiledModel, compile
from stratagem.compiler import knobs
from stratagem.compiler.cost.program import program_cost
from stratagem.compiler.ir import parse_module
from stratagem.compiler.probe.document import calibration_document
from stratagem.compiler.probe.measure import measure
from stratagem.compiler.probe.store import calibration_path, write_calibration
from stratagem.hwmodels import load_device

GROUP = "cpu"
SOURCE = "measured here by the same command"


def measured_rows(names: Sequence[str], seconds: float) -> Iterator[tuple[Row, float]]:
    """Rows of this machine with what was predicted, in seconds; probes the machine where that was not done before.

    Args:
        names: of rows of `benchmarks.rows`; empty for all. seconds: for the calls of one row.
    """
    with TemporaryDirectory(prefix="stratagem-validation-") as folder, knobs.scope(**_cache_with_calibration(folder)):
        for case in CASES:
            if not names or case.name in names:
                yield measured_row(case, seconds)


def measured_row(case: Case, seconds: float) -> tuple[Row, float]:
    """Compiles a row, predicts it and runs it."""
    module, inputs = case.build()
    with knobs.scope(verify="off"):
        compiled = compile(module, inputs)
    predicted = program_cost(parse_module(compiled.ir("device")), compiled.compilation.machine).seconds
    taken = run_seconds(compiled, [x.numpy() for x in inputs], seconds)
    return Row(GROUP, case.name, "program", taken, SOURCE, {}), predicted


def run_seconds(compiled: CompiledModel, inputs: Sequence[Any], seconds: float) -> float:
    """The median of calls, the first few left out."""
    executable = compiled.executable
    taken: list[float] = []
    for _ in range(3):
        executable(*inputs)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 5:
        started = time.perf_counter()
        executable(*inputs)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _cache_with_calibration(folder: str) -> dict[str, str]:
    """Settings under which target `cpu` is calibrated: as they are, or a cache in `folder` with a probe made now."""
    path = calibration_path()
    if path is not None and path.exists():
        return {}
    with knobs.scope(cache=folder):
        device, place = load_device("cpu"), calibration_path()
        assert place is not None
        found = measure(device, 0.2, lambda what: None)
        write_calibration(place, calibration_document(device.name, found, "benchmarks.validation"))
    return {"cache": folder}
