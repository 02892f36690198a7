"""Which plan is best: every plan of a family is costed, the fastest that fits the memory is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from stratagem.compiler.cost.model import Model
from stratagem.compiler.cost.plans import RECOMPUTE, Plan
from stratagem.compiler.cost.step import StepCost, inference_step, plan_refusal, training_step
from stratagem.compiler.cost.workload import Cut, Workload

MICROBATCHES = 11
"""Sizes of microbatches that are tried, each twice the one before."""
SHARES = (0, 1, 3)
"""Stages of sharing states that are tried; 2 differs from 1 in memory only while 32-bit gradients are kept."""


@dataclass(frozen=True)
class Found:
    """The best plan for a number of devices.

    Attributes:
        plan, cost: the fastest that fits; if none fits, the one that needs least memory. tried: plans costed.
    """

    plan: Plan
    cost: StepCost
    tried: int


def step_cost(model: Model, workload: Workload, plan: Plan, mode: str) -> StepCost:
    """One training or inference step."""
    return (training_step if mode == "training" else inference_step)(model, workload, plan)


def best_plan(model: Model, workload: Workload, devices: int, batch: int, mode: str) -> Found | None:
    """The best plan of `devices` devices for `batch` samples; None when no plan is possible at all."""
    best: tuple[bool, float] | None = None
    found: tuple[Plan, StepCost] | None = None
    tried = 0
    for plan in plans(model, workload, devices, batch, mode):
        cost = step_cost(model, workload, plan, mode)
        tried += 1
        rank = (not cost.fits, cost.seconds if cost.fits else cost.memory_bytes)
        if best is None or rank < best:
            best, found = rank, (plan, cost)
    return Found(*found, tried) if found else None


def plans(model: Model, workload: Workload, devices: int, batch: int, mode: str) -> Iterator[Plan]:
    """Every plan of the family that can run, memory left aside."""
    for base in _degrees(model, workload, devices, batch):
        for plan in _variants(workload, base, mode):
            if not plan_refusal(model, workload, plan, mode):
                yield plan


def why_not(model: Model, workload: Workload, devices: int, batch: int, mode: str) -> str:
    """The reason that most plans of a family without any have, the plainest one where none even starts."""
    reasons = Counter(
        plan_refusal(model, workload, plan, mode)
        for base in _degrees(model, workload, devices, batch)
        for plan in _variants(workload, base, mode)
    )
    if reasons:
        return reasons.most_common(1)[0][0]
    return plan_refusal(model, workload, Plan(data=devices, batch=batch, microbatch=workload.samples), mode)


def _degrees(model: Model, workload: Workload, devices: int, batch: int) -> Iterator[Plan]:
    """Ranks along each axis and samples of a microbatch."""
    for tensor in divisors(devices):
        sequence = tensor > 1 and not workload.refusal(Cut(workload.samples, tensor, True))
        if workload.refusal(Cut(workload.samples, tensor, sequence)) or not _joined(model, tensor):
            continue
        for pipeline in divisors(devices // tensor):
            data = devices // tensor // pipeline
            if workload.layers % pipeline or batch % data:
                continue
            for power in range(MICROBATCHES):
                microbatch = workload.samples << power
                if (batch // data) % microbatch == 0:
                    yield Plan(tensor, pipeline, data, batch, microbatch, sequence=sequence)


def _variants(workload: Workload, base: Plan, mode: str) -> Iterator[Plan]:
    """Interleaving, recomputation and sharing of states; inference has none of these."""
    if mode == "inference":
        yield base
        return
    degrees = (base.tensor, base.pipeline, base.data, base.batch, base.microbatch)
    shares = SHARES if base.data > 1 else (0,)
    for interleave in divisors(workload.layers // base.pipeline):
        for recompute in RECOMPUTE:
            for shard in shares:
                yield Plan(*degrees, interleave, base.sequence, recompute, shard)


def _joined(model: Model, tensor: int) -> bool:
    """Tensor groups stay where links are fastest: within the innermost tier."""
    rungs = model.network.rungs
    return tensor == 1 or (bool(rungs) and tensor <= rungs[0].members)


def divisors(number: int) -> list[int]:
    """All divisors, in order."""
    small = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    return small + [number // n for n in reversed(small) if n * n != number]
