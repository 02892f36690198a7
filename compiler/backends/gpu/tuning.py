"""Warps and stages of a phase: from its attributes when the schedule set them, else estimated from the
device.

    scf.forall ... {device.tier = "sm", gpu.warps = 8 : i64, gpu.stages = 3 : i64}
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu.limits import Limits
from stratagem.compiler.backends.gpu.printer.kernel import PhaseFacts, Schedule

WARPS, STAGES = "gpu.warps", "gpu.stages"

LANE_ELEMENTS = 16
"""Elements of the widest tile per thread that keep a memory-bound program in registers and its accesses wide.
"""
DOT_WARPS = 4
"""A dot is shared by at least a warp group of four; fewer cannot use the widest matrix instructions."""
DEEPEST_PIPELINE = 4
"""Stages beyond this only cost shared memory: loads are already a full memory latency ahead."""


def schedule_for(limits: Limits, forall: Any, facts: PhaseFacts) -> Schedule:
    """The schedule numbers of one phase."""
    warps, stages = (_attribute(forall, key) for key in (WARPS, STAGES))
    return Schedule(warps or _warps(limits, facts), stages or _stages(limits, facts))


def _attribute(forall: Any, key: str) -> int:
    return int(ir.IntegerAttr(forall.attributes[key]).value) if key in forall.attributes else 0


def _warps(limits: Limits, facts: PhaseFacts) -> int:
    """Accumulators of a dot may fill half the registers of a thread; other tiles get `LANE_ELEMENTS` a
    thread.
    """
    per_thread = (limits.registers + 1) // 2 if facts.has_dot else LANE_ELEMENTS
    needed = -(-facts.largest_tile // (per_thread * limits.warp_size))
    smallest = DOT_WARPS if facts.has_dot else 1
    return min(max(_power_of_two(needed), smallest), limits.warps)


def _stages(limits: Limits, facts: PhaseFacts) -> int:
    if not facts.stage_bytes:
        return 1
    return max(1, min(DEEPEST_PIPELINE, limits.shared // facts.stage_bytes))


def _power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()


def next_schedule(current: Schedule, wished: Schedule, limits: Limits, shared_exceeded: bool) -> Schedule | None:
    """The schedule to try after one that did not fit: fewer stages for less shared memory, else more warps for fewer
    registers per thread; None when there is none left."""
    if shared_exceeded and current.stages > 1:
        return Schedule(current.warps, current.stages - 1)
    if 2 * current.warps <= limits.warps:
        return Schedule(2 * current.warps, wished.stages)
    return None
