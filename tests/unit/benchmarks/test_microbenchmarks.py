"""Microbenchmarks against closed forms: what instructions and transfers of the description add up to."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.validation.microbenchmarks import KINDS, Stream, block_cycles, dma_milliseconds, saturating_tasklets
from stratagem.compiler.backends.upmem.facts import DeviceFacts, device_facts
from stratagem.hwmodels import load_device

DEVICE = "upmem-rank"
WORD = 8


def facts() -> DeviceFacts:
    return device_facts(load_device(DEVICE))


def loop(kind: str) -> float:
    """Instructions of a loop over blocks, but for its transfers."""
    return facts().costs["LOOP"] + (KINDS[kind].reads + KINDS[kind].writes - 1) * facts().costs["ADD_I32"]


def engine(kind: str, block: int) -> float:
    """Cycles of a block's transfers."""
    one = facts()
    latencies = KINDS[kind].reads * one.read_latency + KINDS[kind].writes * one.write_latency
    return latencies + (KINDS[kind].reads + KINDS[kind].writes) * block / one.dma_rate


@pytest.mark.parametrize("kind", ["read", "write", "transfer"])
@pytest.mark.parametrize("block", [8, 24, 2048])
def test_one_tasklet_waits_for_its_transfers_and_issues_once_per_depth(kind: str, block: int) -> None:
    expected = facts().threads_for_peak * loop(kind) + engine(kind, block)
    assert block_cycles(Stream(DEVICE, kind, block), 1) == pytest.approx(expected, rel=0.005)


def test_a_row_takes_as_long_as_its_blocks() -> None:
    row = {"device": DEVICE, "kind": "transfer", "bytes": 64, "blocks": 1000}
    cycles = 1000 * block_cycles(Stream(DEVICE, "transfer", 64), 1)
    assert dma_milliseconds(row) == pytest.approx(cycles / facts().clock * 1e3)


@pytest.mark.parametrize(("kind", "bandwidth"), [("copy", 2.76e9), ("add", 1.67e9), ("scale", 41e6), ("triad", 61e6)])
def test_a_full_pipeline_moves_words_of_scratch_as_fast_as_it_issues(kind: str, bandwidth: float) -> None:
    """STREAM in WRAM: a load for each array read, a store, and the instructions of its arithmetic; docs/cost.md."""
    costs, arrays = facts().costs, KINDS[kind].reads + KINDS[kind].writes
    sums, products = kind in ("add", "triad"), kind in ("scale", "triad")
    each = arrays + sums * costs["ADD_I64"] + products * costs["MUL_I64"]
    cycles = block_cycles(Stream(DEVICE, kind, 1024, 16, free_transfers=True), 16)
    assert cycles == pytest.approx(each * 1024 / WORD + loop(kind), rel=0.002)
    assert arrays * 1024 / cycles * facts().clock == pytest.approx(bandwidth, rel=0.01)


def test_work_and_transfers_of_many_tasklets_overlap() -> None:
    cheap, dear = (block_cycles(Stream(DEVICE, kind, 1024, 16), 16) for kind in ("copy", "scale"))
    alone = block_cycles(Stream(DEVICE, "scale", 1024, 16, free_transfers=True), 16)
    assert cheap == pytest.approx(engine("copy", 1024), rel=0.001), "waits for the transfer engine"
    assert dear == pytest.approx(alone, rel=0.001), "waits for the pipeline"


def test_what_is_bound_by_transfers_saturates_before_the_pipeline_is_full() -> None:
    row = {"device": DEVICE, "bytes": 1024, "threads": 16}
    found = {kind: saturating_tasklets({**row, "kind": kind}) for kind in ("transfer", "copy", "add", "scale")}
    assert found["transfer"] < found["copy"] < found["add"] < found["scale"] == facts().threads_for_peak


def test_the_depth_of_the_pipeline_is_the_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(
        f"hw: 1\ndevice: deep\nextends: {DEVICE}\nlevels:\n  - {{name: tasklet, threads-for-peak: 14}}\n"
        "target: {revolver-cycles: 14}\n"
    )
    row = {"device": str(path), "kind": "triad", "bytes": 1024, "threads": 16}
    assert saturating_tasklets(row) == 14


def test_a_microbenchmark_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="there is no microbenchmark 'dot'; there are read, write, transfer, copy"):
        block_cycles(Stream(DEVICE, "dot", 64), 1)
