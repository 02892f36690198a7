"""Programs that rows about near-memory devices name: small sizes, and what their estimates must obey."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.validation.__main__ import outcomes
from benchmarks.validation.near_memory import PROGRAMS, Run, loop_megacycles, report_of, run_of
from benchmarks.validation.rows import read_rows
from stratagem.compiler.backends.upmem.facts import device_facts
from stratagem.hwmodels import load_device

FACTS = {"device": "upmem-rank", "program": "add-constant", "shape": [1009], "dtype": "i32", "units": 1}


def test_a_rows_run() -> None:
    assert run_of(FACTS) == Run("upmem-rank", "add-constant", (1009,), "i32", 1)
    more = run_of({**FACTS, "threads": 3, "operand_bits": 6})
    assert (more.threads, more.operand_bits, more.free_transfers) == (3, 6, False)


@pytest.mark.parametrize(
    ("program", "shape", "dtype"),
    [
        ("add-constant", (13,), "f64"),
        ("matrix-vector", (7, 33), "i32"),
        ("row-sums", (5, 129), "i64"),
        ("vector-add", (257,), "f32"),
    ],
)
def test_every_program_runs_on_one_unit_and_on_several(program: str, shape: tuple[int, ...], dtype: str) -> None:
    assert program in PROGRAMS
    for units in (1, 3):
        report = report_of(Run("upmem-rank", program, shape, dtype, units))
        assert report.kernel_seconds > 0 and 1 <= report.counts["dpus_used"] <= units
        assert report.counts["bytes_from"] > 0


def test_loops_alone_leave_transfers_out() -> None:
    run = run_of({**FACTS, "shape": [4096]})
    alone = report_of(replace(run, free_transfers=True))
    assert alone.kernel_cycles < report_of(run).kernel_cycles
    assert loop_megacycles({**FACTS, "shape": [4096]}) == alone.kernel_cycles / 1e6


def test_fewer_threads_than_the_pipeline_holds_take_longer() -> None:
    full, one = (loop_megacycles({**FACTS, "shape": [8192], "threads": threads}) for threads in (16, 1))
    assert one == pytest.approx(11 * full, rel=0.02)


def test_products_of_small_factors_take_fewer_steps() -> None:
    run = Run("upmem-rank", "matrix-vector", (16, 1024), "i32", 1, operand_bits=4, free_transfers=True)
    small, large = (report_of(replace(run, operand_bits=bits)).counts["instructions"] for bits in (4, 21))
    assert large - small == pytest.approx(17 * 16 * 1024, rel=0.001)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="there is no program 'sort'; there are add-constant, matrix-vector"):
        report_of(run_of({**FACTS, "program": "sort"}))


def test_published_microbenchmarks_kernels_and_transfers_are_met() -> None:
    found = [o for o in outcomes([row for row in read_rows() if row.group == "upmem"]) if not o.row.calibrated_from]
    errors: dict[str, list[float]] = {}
    for outcome in found:
        errors.setdefault(outcome.row.predictor, []).append(abs(outcome.error))
    programs = [
        *errors["unit-kernel-milliseconds"],
        *errors["unit-to-milliseconds"],
        *errors["unit-from-milliseconds"],
    ]
    assert len(programs) >= 25 and sum(programs) / len(programs) <= 0.25
    loops, dma, saturating = (
        errors[f"unit-{kind}"] for kind in ("loop-megacycles", "dma-milliseconds", "saturating-tasklets")
    )
    assert len(loops) >= 18 and max(loops) <= 0.02
    assert len(dma) >= 27 and max(dma) <= 0.18 and sum(dma) / len(dma) <= 0.10
    assert len(saturating) >= 4 and max(saturating) == 0


def test_what_calibrates_the_library_says_so() -> None:
    """Rates of float additions are the paper's, for a full pipeline: rows of the same measurement test nothing."""
    peak = device_facts(load_device("upmem-rank")).threads_for_peak
    for row in read_rows():
        if row.predictor == "unit-loop-megacycles":
            assert bool(row.calibrated_from) == (row.facts["dtype"] in ("f32", "f64") and row.facts["threads"] >= peak)
