"""Seconds and bytes of one step of a plan: pipeline, bubbles, exchanges of gradients, optimizer, memory.

Schedules: 1F1B and its interleaved form, bubble `(p - 1) / v` forward and backward passes (Narayanan et al.,
arXiv:2104.04473, section 2.2). Memory: 18 bytes of state for each parameter with 32-bit gradients, activations of as
many microbatches as are under way on the first stage (Korthikanti et al., arXiv:2205.05198, section 4). Sharding of
states: Rajbhandari et al., "ZeRO", SC 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stratagem.compiler.cost.kernels import NOTHING, Spent
from stratagem.compiler.cost.layers import BlockCost, sent_bytes
from stratagem.compiler.cost.model import Model, Stages
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.workload import Cut, Workload

MOMENTS = 8
"""Bytes of Adam's two moments of one parameter."""
MASTER = 4
"""Bytes of a parameter in 32 bits, kept beside one that has fewer."""
UPDATE = 58
"""Bytes that an update of one parameter moves: gradients unscaled (4 + 4), their norm (4) and clipping (4 + 4), Adam
(reads gradient, weight and two moments, writes the latter three: 16 + 12), the weight in 16 bits (4 + 2), gradients
set to zero (4)."""


@dataclass(frozen=True)
class StepCost:
    """One step of all devices.

    Attributes:
        compute, memory, network, wait: seconds; their sum is the time of the step. `wait` is bubbles, launches and
        filling. memory_bytes: most bytes that a device needs. capacity: bytes it has.
        flops, moved, sent: of one device (the busiest) in one step: operations of products, bytes through main memory,
        bytes sent inside its tensor group; gradient_sent, stage_sent: to its data group, to the next stage.
    """

    compute: float
    memory: float
    network: float
    wait: float
    memory_bytes: float
    capacity: float
    flops: float
    moved: float
    sent: float
    gradient_sent: float
    stage_sent: float

    @property
    def seconds(self) -> float:
        """Of the whole step."""
        return self.compute + self.memory + self.network + self.wait

    @property
    def fits(self) -> bool:
        """Whether a device has the memory that it needs."""
        return self.memory_bytes <= self.capacity


def training_step(model: Model, workload: Workload, plan: Plan) -> StepCost:
    """Costs one training step; the plan must not be refused by `plan_refusal`."""
    cut = Cut(plan.microbatch, plan.tensor, plan.sequence)
    stages = head, layer, tail = model.stages(workload, cut, plan.recompute, plan.overlap_tensor)
    count, passes = workload.layers // plan.pipeline, plan.microbatches
    stage = (layer.forward + layer.backward + layer.again).times(count)
    exchange = count * (layer.forward_exchange + layer.backward_exchange + layer.again_exchange)
    ends, end_exchange = _ends(head, tail, plan)
    gradient = _gradient_bytes(plan)
    parameters = _parameters(workload, stages, plan)
    added = _accumulation(model, parameters, gradient, plan)
    gathered = _gathered_weights(model, layer, count, parameters, plan)
    passing = 2 * plan.interleave * _passing(model, layer, plan)
    each = stage + ends + added
    network = passes * (exchange + end_exchange + passing + gathered)
    bubble = (plan.pipeline - 1) * ((stage + added).total + exchange + passing) / plan.interleave
    last_backward = (layer.backward + layer.again).times(count).total + count * layer.backward_exchange
    network += _gradient_exchange(model, layer, parameters, gradient, last_backward, count, plan)
    network += _tied_exchange(model, workload, head, tail, gradient, plan)
    update = UPDATE * parameters / (plan.data if plan.shard else 1)
    blocks = count * passes
    return StepCost(
        compute=passes * each.compute,
        memory=passes * each.memory + update / model.kernels.device.memory,
        network=network,
        wait=passes * each.wait + bubble,
        memory_bytes=_states(model, parameters, gradient, plan) + _activations(stages, count, plan),
        capacity=model.kernels.device.capacity,
        flops=blocks * layer.flops + passes * max(head.flops, tail.flops),
        moved=blocks * layer.moved + passes * (head.moved + tail.moved) + update,
        sent=blocks * layer.sent + passes * max(head.sent, tail.sent),
        gradient_sent=sent_bytes("all_reduce", parameters * gradient, plan.data),
        stage_sent=2 * passes * plan.interleave * layer.boundary if plan.pipeline > 1 else 0.0,
    )


def inference_step(model: Model, workload: Workload, plan: Plan) -> StepCost:
    """Costs the forward pass of a batch; stages of a pipeline work on different microbatches."""
    cut = Cut(plan.microbatch, plan.tensor, plan.sequence)
    stages = head, layer, tail = model.stages(workload, cut, "none", plan.overlap_tensor)
    count, passes = workload.layers // plan.pipeline, plan.microbatches
    stage = layer.forward.times(count)
    exchange = count * layer.forward_exchange
    ends, end_exchange = head.forward + tail.forward, head.forward_exchange + tail.forward_exchange
    if plan.pipeline > 1:
        ends = max(head.forward, tail.forward, key=lambda spent: spent.total)
        end_exchange = max(head.forward_exchange, tail.forward_exchange)
    passing = _passing(model, layer, plan)
    each = stage + ends
    parameters = _parameters(workload, stages, plan)
    blocks = count * passes
    kept = 2 * max(layer.working, layer.saved, tail.saved)
    return StepCost(
        compute=passes * each.compute,
        memory=passes * each.memory,
        network=passes * (exchange + end_exchange + passing),
        wait=passes * each.wait + (plan.pipeline - 1) * (stage.total + exchange + passing),
        memory_bytes=parameters * model.kernels.device.element + kept + blocks * layer.state,
        capacity=model.kernels.device.capacity,
        flops=blocks * layer.forward_flops + passes * max(head.forward_flops, tail.forward_flops),
        moved=blocks * layer.forward_moved + passes * (head.forward_moved + tail.forward_moved),
        sent=blocks * layer.forward_sent + passes * max(head.forward_sent, tail.forward_sent),
        gradient_sent=0.0,
        stage_sent=passes * layer.boundary if plan.pipeline > 1 else 0.0,
    )


def plan_refusal(model: Model, workload: Workload, plan: Plan, mode: str = "training") -> str:
    """Why a plan cannot run at all, memory left aside; empty when it can."""
    cut = Cut(plan.microbatch, plan.tensor, plan.sequence)
    reason = plan.refusal(workload.layers) or workload.refusal(cut)
    if reason:
        return reason
    lacking = model.lacks(_primitives(workload, plan, cut, mode))
    return f"the system '{model.system.name}' does not have {lacking}" if lacking else ""


def _primitives(workload: Workload, plan: Plan, cut: Cut, mode: str) -> Iterator[str]:
    """What a plan exchanges by."""
    training = mode == "training"
    if plan.tensor > 1:
        yield from workload.primitives(cut, training)
    if plan.pipeline > 1:
        yield "send_recv"
    if training and plan.data > 1:
        yield from ("reduce_scatter", "all_gather") if plan.shard else ("all_reduce",)
    if training and plan.pipeline > 1 and workload.tied:
        yield "all_reduce"


def _passing(model: Model, layer: BlockCost, plan: Plan) -> float:
    """Seconds to hand a microbatch to the next stage: every rank of a tensor group sends its part of what all of them
    hold, and the receivers gather it (arXiv:2104.04473, section 4.1)."""
    if plan.pipeline == 1:
        return 0.0
    size, stride = layer.boundary, plan.tensor * plan.data
    if plan.sequence or plan.tensor == 1:
        return model.network.message(size, stride, plan.pipeline)
    whole = model.network.message(size, stride, plan.pipeline)
    parts = model.network.message(size / plan.tensor, stride, plan.pipeline)
    return min(whole, parts + model.network.seconds("all_gather", size, plan.tensor, 1))


def _ends(head: BlockCost, tail: BlockCost, plan: Plan) -> tuple[Spent, float]:
    """What head and tail add to a pass: both on one stage, else the slower one, for which the others wait."""
    both = [(b.forward + b.backward, b.forward_exchange + b.backward_exchange) for b in (head, tail)]
    if plan.pipeline == 1:
        return both[0][0] + both[1][0], both[0][1] + both[1][1]
    return max(both, key=lambda pair: pair[0].total + pair[1])


def _gradient_bytes(plan: Plan) -> int:
    return 4 if plan.wide_gradients else 2


def _parameters(workload: Workload, stages: Stages, plan: Plan) -> float:
    """Of the fullest stage; a single stage holds a tied table once."""
    head, layer, tail = stages
    if plan.pipeline == 1:
        ends = head.parameters + tail.parameters - workload.tied / plan.tensor
    else:
        ends = max(head.parameters, tail.parameters)
    return workload.layers // plan.pipeline * layer.parameters + ends


def _accumulation(model: Model, parameters: float, gradient: int, plan: Plan) -> Spent:
    """Adding the gradients of one microbatch, where products do not do it themselves: read both, write one."""
    if plan.fused_accumulation or plan.microbatches == 1:
        return NOTHING
    moved = parameters * (model.kernels.device.element + 2 * gradient)
    return Spent(memory=moved / model.kernels.device.memory)


def _gathered_weights(model: Model, layer: BlockCost, count: int, parameters: float, plan: Plan) -> float:
    """Weights that data-parallel ranks share are gathered for each forward and each backward pass; matrix by matrix,
    once more for a forward pass that is done again (Rajbhandari et al., "ZeRO-Infinity", SC 2021, section 4.1)."""
    if plan.shard < 3:
        return 0.0
    element = model.kernels.device.element
    one = _shared_exchange(model, "all_gather", layer.parameters * element, layer.weights, plan)
    ends = _shared_exchange(model, "all_gather", (parameters - count * layer.parameters) * element, 1, plan)
    times = 3 if plan.recompute == "full" and plan.listed_exchange else 2
    return times * count * one + 2 * ends


def _shared_exchange(model: Model, primitive: str, size: float, matrices: int, plan: Plan) -> float:
    """Seconds to gather what data-parallel ranks share of one block, or to scatter its gradients: a device never holds
    more blocks than it works on. All of it at once, or matrix by matrix through lists of a tensor for each rank."""
    if not plan.listed_exchange:
        return model.network.seconds(primitive, size, plan.data, plan.tensor)
    matrices = max(1, matrices)
    part = size / matrices
    copies = plan.data * model.kernels.stream(2 * part / plan.data).total
    return matrices * (model.network.seconds(primitive, part, plan.data, plan.tensor) + copies)


def _gradient_exchange(
    model: Model, layer: BlockCost, parameters: float, gradient: int, backward: float, count: int, plan: Plan
) -> float:
    """Seconds of the data-parallel exchange that the last backward pass does not hide.

    The last layer's part is never hidden, and what is hidden slows the backward pass by the units it occupies.
    """
    if plan.data == 1:
        return 0.0
    size, stride, network = parameters * gradient, plan.tensor, model.network
    after = 0.0
    if plan.shard == 0:
        reduce = network.seconds("all_reduce", size, plan.data, stride)
    elif plan.shard < 3:
        reduce = network.seconds("reduce_scatter", size, plan.data, stride)
        after = network.seconds("all_gather", parameters * model.kernels.device.element, plan.data, stride)
    else:
        one = _shared_exchange(model, "reduce_scatter", layer.parameters * gradient, layer.weights, plan)
        ends = (parameters - count * layer.parameters) * gradient
        reduce = count * one + _shared_exchange(model, "reduce_scatter", ends, 1, plan)
    if plan.overlap_gradients:
        hidden = min(reduce, backward) * (count - 1) / count
        reduce += hidden * (network.occupied(plan.data, stride) - 1)
    return reduce + after


def _tied_exchange(
    model: Model, workload: Workload, head: BlockCost, tail: BlockCost, gradient: int, plan: Plan
) -> float:
    """First and last stage add the gradients of a table that both hold."""
    if plan.pipeline == 1 or not workload.tied:
        return 0.0
    size = workload.tied / plan.tensor * gradient
    far = plan.tensor * plan.data * (plan.pipeline - 1)
    return model.network.seconds("all_reduce", size, 2, far)


def _states(model: Model, parameters: float, gradient: int, plan: Plan) -> float:
    """Bytes of weights, gradients and optimizer states, less what data-parallel ranks share."""
    element = model.kernels.device.element
    master = MASTER if element < MASTER else 0
    weights = element / (plan.data if plan.shard == 3 else 1)
    gradients = gradient / (plan.data if plan.shard >= 2 else 1)
    return parameters * (weights + gradients + (MOMENTS + master) / (plan.data if plan.shard else 1))


def _activations(stages: Stages, count: int, plan: Plan) -> float:
    """Bytes on the first stage, which keeps most microbatches, or the last, which keeps the logits."""
    head, layer, tail = stages
    under_way = float(min(plan.pipeline, plan.microbatches))
    if plan.interleave > 1:
        under_way *= 1 + (plan.pipeline - 1) / (plan.pipeline * plan.interleave)
    if plan.pipeline == 1:
        return count * layer.saved + head.saved + max(layer.working, tail.saved)
    first = under_way * (count * layer.saved + head.saved) + layer.working
    return max(first, count * layer.saved + max(layer.working, tail.saved))
