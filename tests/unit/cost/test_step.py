"""Steps of plans: bubbles, exchanges, recomputation and memory, by hand and by what must hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stratagem.compiler.cost.model import Model
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.step import MASTER, MOMENTS, UPDATE, inference_step, plan_refusal, training_step
from stratagem.compiler.cost.transformer import Architecture, Transformer
from stratagem.compiler.cost.workload import Cut
from stratagem.runtime.errors import UsageError

SHAPE = Architecture(hidden=512, layers=12, heads=8, sequence=252, vocabulary=1001)
WORKLOAD = Transformer("small", SHAPE, "bf16")
BASE = Plan(tensor=2, pipeline=3, data=4, batch=96, microbatch=2)


def seconds(model: Model, plan: Plan) -> float:
    assert plan_refusal(model, WORKLOAD, plan) == ""
    return training_step(model, WORKLOAD, plan).seconds


def test_one_device_is_the_sum_of_its_blocks(model: Model) -> None:
    plan = Plan(batch=6, microbatch=2)
    head, layer, tail = model.stages(WORKLOAD, Cut(2), "none", True)
    each = 12 * (layer.forward.total + layer.backward.total)
    each += sum(block.forward.total + block.backward.total for block in (head, tail))
    update = UPDATE * training_parameters() / model.kernels.device.memory
    assert seconds(model, plan) == pytest.approx(3 * each + update)


def training_parameters() -> float:
    """Of a device that holds everything: the table of words once."""
    return WORKLOAD.parameters


def test_the_bubble_is_one_pass_for_each_other_stage(model: Model) -> None:
    """Twice the microbatches cost twice the work, and the bubble once: b = 2 T(m) - T(2m)."""
    plan = Plan(pipeline=4, batch=8)
    once, twice = (training_step(model, WORKLOAD, replace(plan, batch=b)) for b in (8, 16))
    layer = model.stages(WORKLOAD, Cut(1), "none", True)[1]
    passing = 2 * model.network.message(layer.boundary, 1, 4)
    expected = 3 * (3 * (layer.forward.total + layer.backward.total) + passing)
    fixed = 2 * once.seconds - twice.seconds
    tied = model.network.seconds("all_reduce", 1001 * 512 * 4, 2, 3)
    update = UPDATE * (3 * layer.parameters + 1001 * 512 + 252 * 512) / model.kernels.device.memory
    assert fixed == pytest.approx(expected + tied + update)


def test_interleaving_divides_the_bubble(model: Model) -> None:
    plan = Plan(pipeline=3, batch=30)
    plain, parted = (training_step(model, WORKLOAD, replace(plan, interleave=v)) for v in (1, 4))
    work = training_step(model, WORKLOAD, Plan(batch=30))
    assert parted.wait < plain.wait
    assert plain.compute < work.compute / 2.5


@pytest.mark.parametrize(("one", "other"), [("none", "selective"), ("selective", "full")])
def test_recomputation_trades_time_for_memory(model: Model, one: str, other: str) -> None:
    less, more = (training_step(model, WORKLOAD, replace(BASE, recompute=r)) for r in (one, other))
    assert more.seconds > less.seconds
    assert more.memory_bytes < less.memory_bytes
    assert more.flops > less.flops


def test_hidden_exchanges_cost_less(model: Model) -> None:
    for field in ("overlap_gradients", "overlap_tensor", "fused_accumulation"):
        hidden, exposed = (replace(BASE, **{field: value}) for value in (True, False))  # type: ignore[arg-type]
        assert seconds(model, hidden) < seconds(model, exposed)


def test_shared_states_divide_memory(model: Model) -> None:
    held = [training_step(model, WORKLOAD, replace(BASE, shard=s)).memory_bytes for s in range(4)]
    parameters = WORKLOAD.layers / 3 * WORKLOAD.cut(Cut(2, 2))[1].parameters + 1001 * 512 / 2 + 252 * 512
    assert held[0] - held[1] == pytest.approx(parameters * (MOMENTS + MASTER) * 3 / 4)
    assert held[1] - held[2] == pytest.approx(parameters * 4 * 3 / 4)
    assert held[2] - held[3] == pytest.approx(parameters * 2 * 3 / 4)


def test_shared_weights_travel_layer_by_layer(model: Model) -> None:
    """Two gathers of every layer and of both ends; recomputation and the backward pass of a layer share theirs."""
    plan = Plan(data=4, batch=4, shard=3, overlap_gradients=False)
    layer = model.stages(WORKLOAD, Cut(1), "none", True)[1]
    ends = 1001 * 512 + 252 * 512 + 2 * 512

    def gathered(primitive: str, size: float) -> float:
        return model.network.seconds(primitive, size, 4, 1)

    scattered = 12 * gathered("reduce_scatter", layer.parameters * 4) + gathered("reduce_scatter", ends * 4)
    once, end = gathered("all_gather", layer.parameters * 2), gathered("all_gather", ends * 2)
    for recompute in ("none", "full"):
        network = training_step(model, WORKLOAD, replace(plan, recompute=recompute)).network
        assert network == pytest.approx(scattered + 2 * (12 * once + end), rel=1e-4)


def test_lists_of_tensors_cost_a_kernel_for_each_rank(model: Model) -> None:
    """Matrix by matrix, each copied in as many parts as there are ranks: what lists add grows with the ranks."""
    layer = model.stages(WORKLOAD, Cut(1), "none", True)[1]
    assert layer.weights == 4
    added = []
    for ranks in (4, 8):
        plan = Plan(data=ranks, batch=ranks, shard=3, overlap_gradients=False)
        network = [training_step(model, WORKLOAD, replace(plan, listed_exchange=v)).network for v in (False, True)]
        added.append(network[1] - network[0])
    launches = (3 * 12 * 4 + 3) * model.kernels.device.launch
    assert added[0] > 4 * launches
    assert added[1] - added[0] > 4 * launches
    again, once = (
        training_step(model, WORKLOAD, Plan(data=4, batch=4, shard=3, listed_exchange=True, recompute=r)).network
        for r in ("full", "none")
    )
    assert again > 1.2 * once, "a matrix is dropped after its forward pass, so it is gathered for a second one"
    replicated = Plan(data=4, batch=4)
    assert seconds(model, replace(replicated, listed_exchange=True)) == seconds(model, replicated)


def test_more_data_ranks_are_faster_until_the_network_rules(model: Model) -> None:
    times = [seconds(model, Plan(data=d, batch=512, microbatch=1)) for d in (1, 2, 8)]
    assert times[0] > times[1] > times[2]
    assert times[0] / times[2] < 8


def test_inference_keeps_keys_and_has_no_backward_pass(model: Model) -> None:
    plan = Plan(tensor=2, batch=8, microbatch=4)
    training, inference = training_step(model, WORKLOAD, plan), inference_step(model, WORKLOAD, plan)
    assert inference.seconds < training.seconds / 2.5
    keys = 2 * 8 * 252 * 512 / 2 * 2 * 12
    assert inference.memory_bytes > 2 * WORKLOAD.parameters / 2 + keys


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (Plan(data=4, batch=6), "a batch of 6 is not 4 x 1 x a whole number"),
        (Plan(pipeline=5, batch=5), "12 layers are not 5 x 1 equal stages"),
        (Plan(pipeline=2, batch=3, interleave=2), r"microbatches \(3\) in multiples of 2"),
        (Plan(sequence=True), "needs tensor parallelism"),
        (Plan(tensor=3), "3 tensor ranks do not divide 8 heads"),
    ],
)
def test_plans_that_cannot_run_say_why(model: Model, plan: Plan, reason: str) -> None:
    import re

    assert re.search(reason, plan_refusal(model, WORKLOAD, plan))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tensor": 0}, "tensor is 0"),
        ({"recompute": "some"}, "there is no recomputation 'some'"),
        ({"shard": 4}, "there is no sharding stage 4"),
    ],
)
def test_plans_that_make_no_sense(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Plan(**fields)  # type: ignore[arg-type]


def test_a_plan_in_a_few_words() -> None:
    plan = Plan(8, 4, 16, 256, 1, 3, True, "selective", 1)
    assert plan.text() == "t8 p4 d16 b1 v3 seq selective zero1"
    assert (plan.devices, plan.microbatches) == (512, 16)
