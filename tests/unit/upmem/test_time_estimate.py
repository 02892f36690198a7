"""The time estimate against closed forms and cited figures of the device class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stratagem.compiler.backends.upmem.facts import device_facts
from stratagem.compiler.backends.upmem.report import RunReport
from stratagem.runtime.errors import HardwareError
from tests.unit.upmem import kernels
from tests.unit.upmem.support import changed_device, device, emit, random, run


def vector(n: int, tile: int, piece: int, op: str = "addi", dtype: str = "i32") -> RunReport:
    """One DPU working on n elements."""
    text = kernels.vector_add(n, n, tile, piece, dtype, op)
    return run(emit(text), [random((n,), dtype, 1), random((n,), dtype, 2)], random((n,), dtype))


def test_full_pipelines_cost_the_instructions_of_all_tasklets() -> None:
    """Per element: two loads, a multiplication, a store, the loop's own; 16 tasklets fill a pipeline of depth 11."""
    n, facts = 16 * 128, device_facts(device())
    report = vector(n, 128, 128, "muli")
    per_element = 3 + facts.costs["MUL_I32"] + facts.costs["LOOP"]
    assert report.counts["instructions"] == pytest.approx(per_element * n, rel=0.01)
    assert report.kernel_cycles == pytest.approx(per_element * n, rel=0.02)


def test_cheap_loops_wait_for_the_transfer_engine() -> None:
    n, facts = 16 * 128, device_facts(device())
    transfers = 32 * (facts.read_latency + 512 / facts.dma_rate) + 16 * (facts.write_latency + 512 / facts.dma_rate)
    assert vector(n, 128, 128).kernel_cycles == pytest.approx(transfers, rel=0.01)


def test_one_tasklet_issues_once_per_pipeline_depth() -> None:
    n, facts = 1024, device_facts(device())
    report = vector(n, n, 256)
    alone = facts.threads_for_peak * report.counts["instructions"]
    assert alone < report.kernel_cycles < 1.1 * alone  # transfers of a single tasklet hide behind nothing


def test_transfers_cost_latency_and_bytes() -> None:
    """Halving the burst adds latencies only: the difference is the number of extra transfers times the latency."""
    n, facts = 512, device_facts(device())
    big = run(emit(kernels.vector_add(n, n, n, n)), [random((n,), "i32", 1)] * 2, random((n,), "i32"))
    other = changed_device("mram", burst=1024)
    small = run(emit(kernels.vector_add(n, n, n, n), other), [random((n,), "i32", 1)] * 2, random((n,), "i32"))
    assert (big.counts["dma_reads"], small.counts["dma_reads"]) == (2, 4)
    extra = 2 * facts.read_latency + facts.write_latency
    assert small.kernel_cycles - big.kernel_cycles == pytest.approx(extra, abs=1)


@pytest.mark.parametrize(
    "op, dtype, cost", [("muli", "i32", "MUL_I32"), ("addf", "f32", "ADD_F32"), ("mulf", "f32", "MUL_F32")]
)
def test_operations_cost_what_the_description_says(op: str, dtype: str, cost: str) -> None:
    n, facts = 1024, device_facts(device())
    more = vector(n, 64, 64, op, dtype).counts["instructions"] - vector(n, 64, 64).counts["instructions"]
    assert more == pytest.approx((facts.costs[cost] - facts.costs["ADD_I32"]) * n, rel=0.01)


def test_the_report_counts_bytes_and_names_its_error() -> None:
    n = 64 * 32
    report = run(emit(kernels.vector_add(n, 32, 8, 8)), [np.ones(n, np.int32)] * 2, np.zeros(n, np.int32))
    assert report.counts["bytes_from"] == 4 * n
    assert report.counts["bytes_to"] == 2 * 4 * n + 64 * 16  # two operands, and the arguments of 64 units
    assert report.uncertainty is not None and f"within {report.uncertainty:.0%} at best" in str(report)
    assert report.where == "simulated on 64 of 64 units of upmem-rank"
    assert report.seconds == pytest.approx(report.kernel_seconds + report.to_seconds + report.from_seconds)


def test_one_unit_takes_and_gives_less_than_the_link_carries() -> None:
    n, facts = 64 * 256, device_facts(device())
    arguments = 16  # bytes of each unit's own copy
    for unit, used in ((n, 1), (n // 64, 64)):
        report = run(emit(kernels.vector_add(n, unit, 16, 16)), [random((n,), "i32", 1)] * 2, random((n,), "i32"))
        to, back = min(facts.to_rate, used * facts.unit_to_rate), min(facts.from_rate, used * facts.unit_from_rate)
        assert report.counts["dpus_used"] == used
        assert report.to_seconds == pytest.approx(3 * facts.to_latency + (8 * n + used * arguments) / to)
        assert report.from_seconds == pytest.approx(facts.from_latency + 4 * n / back)


def test_products_cost_a_step_for_each_bit_where_these_are_known() -> None:
    steps = device().target["multiply-instructions"]
    for bits in (0, 1, 7, 32):
        assert device_facts(device(), bits).costs["MUL_I32"] == steps["call"] + bits * steps["bit"]
    assert device_facts(device(), 5).costs["MUL_F32"] == device_facts(device()).costs["MUL_F32"]
    full = device_facts(device(), 21).costs["MUL_I32"]  # the factor of the published throughput is 2^20
    assert full == pytest.approx(device_facts(device()).costs["MUL_I32"], rel=0.05)


def test_bits_that_are_none_and_devices_that_do_not_say() -> None:
    with pytest.raises(HardwareError, match="a factor of 33 bits is asked for; 32-bit integers have 0 to 32"):
        device_facts(device(), 33)
    silent = replace(device(), target={k: v for k, v in device().target.items() if k != "multiply-instructions"})
    assert device_facts(silent).costs["MUL_I32"] > 0
    with pytest.raises(HardwareError, match="does not say what multiplying costs for each bit"):
        device_facts(silent, 7)


PUBLISHED = [
    ("arith.addi", "i32", 58.56),
    ("arith.muli", "i32", 10.27),
    ("arith.divsi", "i32", 11.27),
    ("arith.addi", "i64", 50.16),
    ("arith.addf", "f32", 4.91),
    ("arith.mulf", "f32", 1.91),
    ("arith.divf", "f32", 0.34),
]
"""Million operations per second of one DPU at 350 MHz, full pipeline, as the PrIM characterisation reports them."""


@pytest.mark.parametrize("op, dtype, millions", PUBLISHED)
def test_throughput_is_within_five_percent_of_the_published_one(op: str, dtype: str, millions: float) -> None:
    n = 512
    constant = "3.0" if dtype.startswith("f") else "3"
    body = f"%k = arith.constant {constant} : {dtype}\n        %y = {op} %x0, %k : {dtype}"
    report = run(emit(kernels.elementwise(n, (dtype,), dtype, body)), [random((n,), dtype)], random((n,), dtype))
    per_element = report.counts["instructions"] / n
    assert device().clock / per_element / 1e6 == pytest.approx(millions, rel=0.05)
