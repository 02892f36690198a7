"""Warps and stages follow from the device and the phase; attributes overrule them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from torch_mlir import ir

from stratagem.compiler.backends.gpu.compile import print_kernels
from stratagem.compiler.backends.gpu.limits import limits_of
from stratagem.compiler.backends.gpu.printer.kernel import PhaseFacts, Schedule
from stratagem.compiler.backends.gpu.tuning import next_schedule, schedule_for
from stratagem.compiler.ir import new_context, parse_module
from tests.unit.gpu import kernels
from tests.unit.gpu.support import device, printed


class Forall:
    """An operation with attributes and nothing else."""

    def __init__(self, **attributes: Any) -> None:
        self.attributes = {k.replace("_", "."): v for k, v in attributes.items()}


LIMITS = limits_of(device())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (PhaseFacts(has_dot=True, largest_tile=128 * 256, stage_bytes=48 * 1024), Schedule(8, 4)),
        (PhaseFacts(has_dot=True, largest_tile=16 * 16, stage_bytes=2048), Schedule(4, 4)),
        (PhaseFacts(has_dot=True, largest_tile=256 * 256, stage_bytes=100 * 1024), Schedule(16, 2)),
        (PhaseFacts(has_dot=False, largest_tile=4096, stage_bytes=0), Schedule(8, 1)),
        (PhaseFacts(has_dot=False, largest_tile=64, stage_bytes=0), Schedule(1, 1)),
        (PhaseFacts(has_dot=False, largest_tile=2**20, stage_bytes=0), Schedule(32, 1)),
    ],
)
def test_estimates(facts: PhaseFacts, expected: Schedule) -> None:
    assert schedule_for(LIMITS, Forall(), facts) == expected


def test_attributes_overrule_estimates() -> None:
    with new_context():
        i64 = ir.IntegerType.get_signless(64)
        forall = Forall(gpu_warps=ir.IntegerAttr.get(i64, 2), gpu_stages=ir.IntegerAttr.get(i64, 5))
        assert schedule_for(LIMITS, forall, PhaseFacts(True, 4096, 4096)) == Schedule(2, 5)


def test_another_device_gives_another_schedule() -> None:
    small = replace(LIMITS, shared=64 * 1024, registers=127, threads=256)
    assert schedule_for(small, Forall(), PhaseFacts(True, 128 * 256, 48 * 1024)) == Schedule(8, 1)


def test_what_is_tried_next() -> None:
    wished = Schedule(8, 3)
    assert next_schedule(wished, wished, LIMITS, shared_exceeded=True) == Schedule(8, 2)
    assert next_schedule(wished, wished, LIMITS, shared_exceeded=False) == Schedule(16, 3)
    assert next_schedule(Schedule(8, 1), wished, LIMITS, shared_exceeded=True) == Schedule(16, 3)
    assert next_schedule(Schedule(32, 3), wished, LIMITS, shared_exceeded=False) is None


def test_the_unit_says_how_f32_is_multiplied() -> None:
    model = device()
    units = tuple(replace(u, emit={"input-precision": "tf32x3"}) if u.name == "tensor" else u for u in model.units)
    module = parse_module(kernels.matmul_gelu("?", 70, 45))
    assert 'input_precision="ieee"' in print_kernels(module, model)[0].source
    assert 'input_precision="tf32x3"' in print_kernels(module, replace(model, units=units))[0].source


def test_the_plan_carries_them() -> None:
    launch = printed(kernels.matmul_gelu("?", 768, 3072, "bf16", tile=(128, 256, 64))).plan.launches[0]
    assert (launch.warps, launch.stages, launch.stage_bytes) == (8, 4, (128 + 256) * 64 * 2)
