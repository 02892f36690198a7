"""The simulator names every rule that an edited program breaks, with the line of the C source."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from stratagem.runtime.errors import StratagemError
from tests.unit.upmem import kernels
from tests.unit.upmem.support import Array, emit, random, run


@dataclass(frozen=True)
class Planted:
    """One edit of an emitted file (a regular expression), and the rule it breaks."""

    rule: str
    file: str
    pattern: str
    replacement: str


VECTOR = (
    Planted("dma-alignment", "va.dpu.c", r"sg_read\(mram_arg0 \+ \(", "sg_read(mram_arg0 + (4 + "),
    Planted("mram-bounds", "va.dpu.c", r"sg_read\(mram_arg0 \+ \(", "sg_read(mram_arg0 + (128 + "),
    Planted("mram-bounds", "va.dpu.c", r"sg_write\(t2, mram_arg2 \+ \(", "sg_write(t2, mram_arg2 + (120 + "),
    Planted("wram-bounds", "va.dpu.c", r"t2\[i0\] = ", "t2[i0 + 16] = "),
    Planted("wram-bounds", "va.dpu.c", r"mem_alloc\(16\)", "mem_alloc(8)"),
    Planted("wram-capacity", "va.dpu.c", r"mem_alloc\(16\)", "mem_alloc(40960)"),
    Planted("uninitialised", "va.dpu.c", r"sg_read\(mram_arg1.*\n", ""),
    Planted("mram-access", "va.dpu.c", r"= t0\[i0\];", "= ((int32_t *)mram_arg0)[i0];"),
    Planted("barrier", "va.dpu.c", r"BARRIER_INIT\(barrier, NR_TASKLETS\)", "BARRIER_INIT(barrier, NR_TASKLETS + 1)"),
    Planted("race", "va.dpu.c", r"sg_write\(t2, mram_arg2 \+ .*?, 4 \* n2\)", "sg_write(t2, mram_arg2, 4 * n2)"),
    Planted("host-transfer", "host.c", r'"mram_arg0", mram_arg0, 128, 128', '"mram_arg0", mram_arg0, 128, 124'),
    Planted("host-transfer", "host.c", r'"mram_arg0", mram_arg0, 128, 128', '"mram_arg0", mram_arg0, 128, 136'),
    Planted("host-symbol", "host.c", r'TO_DPU, "mram_arg0"', 'TO_DPU, "mram_none"'),
    Planted("wram-alignment", "va.dpu.c", r"\(int32_t \*\)slab0;", "(int32_t *)(slab0 + 2);\n        t0[0] = 1;"),
)


def broken(text: str, planted: Planted, inputs: list[Array], output: Array) -> str:
    """The message of the run after the edit."""
    files = emit(text)
    source = files[planted.file].decode()
    edited = re.sub(planted.pattern, planted.replacement, source)
    assert edited != source, "the edit found nothing to change"
    with pytest.raises(StratagemError) as caught:
        run({**files, planted.file: edited.encode()}, inputs, output)
    return str(caught.value)


@pytest.mark.parametrize("planted", VECTOR, ids=[f"{n}-{p.rule}" for n, p in enumerate(VECTOR)])
def test_vector_program(planted: Planted) -> None:
    inputs = [random((1009,), "i32", 1), random((1009,), "i32", 2)]
    message = broken(kernels.vector_add(1009, 32, 8, 4), planted, inputs, random((1009,), "i32"))
    assert "simulated" in message
    assert f"{planted.rule}: " in message


def test_the_message_has_the_line_and_the_numbers() -> None:
    inputs = [random((1009,), "i32", 1), random((1009,), "i32", 2)]
    text = kernels.vector_add(1009, 32, 8, 4)
    message = broken(text, VECTOR[0], inputs, random((1009,), "i32"))
    assert re.search(r"va\.dpu\.c:\d+: dma-alignment: mram_read: MRAM address is 4 B past a multiple of 8 B", message)
    assert "(DPU 0, tasklet 0)" in message


def test_a_transfer_longer_than_the_burst_is_refused() -> None:
    planted = Planted("dma-size", "stratagem_machine.h", "SG_DMA_BURST 2048u", "SG_DMA_BURST 4096u")
    inputs = [random((8, 514), "i32", 1), random((514,), "i32", 2)]
    message = broken(kernels.matvec(8, 514, 4, 2), planted, inputs, random((8,), "i32"))
    assert "dma-size: mram_read of 4096 B" in message or "dma-size: mram_read of 2056 B" in message
    assert "8 to 2048 B in steps of 8 B" in message


def test_a_missing_barrier_is_a_race_in_wram() -> None:
    planted = Planted(
        "race", "reduction.dpu.c", r"  barrier_wait\(&barrier\);\n  if \(tasklet == 0\) \{", "  if (tasklet == 0) {"
    )
    message = broken(kernels.reduction(1009, 100, 5), planted, [random((1009,), "i32", 1)], random((), "i32"))
    assert "race: WRAM was " in message
    assert "by another tasklet since the last barrier at reduction.dpu.c:" in message


def test_granules_shared_by_tasklets_need_the_mutex() -> None:
    planted = Planted("race", "stratagem_dpu.h", r"  mutex_(un)?lock\(sg_edge_mutex\);\n", "")
    message = broken(
        kernels.matvec(13, 7, 8, 1), planted, [random((13, 7), "i32", 1), random((7,), "i32", 2)], random((13,), "i32")
    )
    assert "race: MRAM offset " in message


def test_more_tasklets_than_the_device_has() -> None:
    files = emit(kernels.vector_add(9, 4, 4, 4))
    more = re.sub(rb'("results": 1,\s+"tasklets": )24', rb"\g<1>25", files["kernels.json"])
    assert more != files["kernels.json"]
    inputs = [random((9,), "i32", 1), random((9,), "i32", 2)]
    with pytest.raises(StratagemError, match="tasklets: the program asks for 25 tasklets, a DPU has 24"):
        run({**files, "kernels.json": more}, inputs, random((9,), "i32"))
