"""What predicts a row, by name. A predictor takes the row's facts and gives a number in the row's unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.validation import inference, microbenchmarks, near_memory
from benchmarks.validation.machines import machine_model
from stratagem.compiler.cost.device import device_model
from stratagem.compiler.cost.figures import Figures
from stratagem.compiler.cost.kernels import Kernels
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.step import plan_refusal, training_step
from stratagem.compiler.cost.transformer import Architecture, Transformer, activation, norm, softmax
from stratagem.hwmodels import load_device

Facts = Mapping[str, Any]
Predictor = Callable[[Facts], float]


def training_seconds(facts: Facts) -> float:
    """Seconds of one training step of a transformer on a cluster.

    Facts: `system`, `params`, `dtype`, `model` (sizes of an architecture), `plan` (fields of a plan).
    """
    workload, plan = _workload(facts), _plan(facts)
    model = machine_model(facts["system"], facts["dtype"], tuple(facts.get("params", {}).items()))
    refusal = plan_refusal(model, workload, plan)
    if refusal:
        raise ValueError(f"{facts['name']}: {refusal}")
    return training_step(model, workload, plan).seconds


def training_teraflops(facts: Facts) -> float:
    """Operations that a training step is counted with, over its predicted seconds and devices, in TFLOP/s.

    Counted as in arXiv:2104.04473, equation 3, which the published figures use: products of layers and logits, with
    one more forward pass for recomputation, `96 B s l h^2 (1 + s / 6h + V / 16lh)`.
    """
    shape, plan = Architecture(**facts["model"]), _plan(facts)
    h, s, layers = shape.hidden, shape.sequence, shape.layers
    counted = 96 * plan.batch * s * layers * h**2 * (1 + s / (6 * h) + shape.vocabulary / (16 * layers * h))
    return counted / plan.devices / training_seconds(facts) / 1e12


def model_teraflops(facts: Facts) -> float:
    """Operations of the model's own products, backward ones twice the forward ones and none for recomputation, over
    the predicted seconds of a step and its devices, in TFLOP/s (as model FLOPs are counted in arXiv:2204.02311)."""
    plan = _plan(facts)
    return 3 * _workload(facts).flops * plan.batch / plan.devices / training_seconds(facts) / 1e12


def product_teraflops(facts: Facts) -> float:
    """TFLOP/s of one kernel of products on one device.

    Facts: `device`, `dtype`, `shape` (batch, rows, columns, depth); `overhead`, seconds of the host that the
    measurement includes, by its own calibration.
    """
    batch, rows, columns, depth = facts["shape"]
    kernels = Kernels(device_model(load_device(facts["device"]), facts["dtype"], Figures()))
    seconds = kernels.product(batch, rows, columns, depth).total + facts.get("overhead", 0.0)
    return float(2.0 * batch * rows * columns * depth / seconds / 1e12)


def elementwise_gigaelements(facts: Facts) -> float:
    """Billion elements a second of one elementwise kernel.

    Facts: `device`, `dtype`, `step` (norm, softmax, activation), `count` of elements; `overhead` as for products.
    """
    kernels = Kernels(device_model(load_device(facts["device"]), facts["dtype"], Figures()))
    count, element = float(facts["count"]), kernels.device.element
    steps = {
        "activation": activation(count, count * element, count * element),
        "norm": norm(count * element, element),
        "softmax": softmax(count, element),
    }
    if facts["step"] not in steps:
        raise ValueError(f"there is no elementwise step '{facts['step']}'; there are {', '.join(steps)}")
    step = steps[facts["step"]]
    seconds = kernels.stream(step.moved, step.simple, step.special).total + facts.get("overhead", 0.0)
    return float(count / seconds / 1e9)


def _workload(facts: Facts) -> Transformer:
    return Transformer(facts["name"], Architecture(**facts["model"]), facts["dtype"])


def _plan(facts: Facts) -> Plan:
    return Plan(**{**facts.get("run", {}), **facts["plan"]})


PREDICTORS: Mapping[str, Predictor] = {
    "answer-tokens": inference.answer_tokens,
    "elementwise-gigaelements": elementwise_gigaelements,
    "first-token-milliseconds": inference.first_token_milliseconds,
    "layer-milliseconds": inference.layer_milliseconds,
    "model-teraflops": model_teraflops,
    "product-teraflops": product_teraflops,
    "training-seconds": training_seconds,
    "training-teraflops": training_teraflops,
    "unit-dma-milliseconds": microbenchmarks.dma_milliseconds,
    "unit-from-milliseconds": near_memory.from_milliseconds,
    "unit-kernel-milliseconds": near_memory.kernel_milliseconds,
    "unit-loop-megacycles": near_memory.loop_megacycles,
    "unit-saturating-tasklets": microbenchmarks.saturating_tasklets,
    "unit-to-milliseconds": near_memory.to_milliseconds,
}
"""Name in a file of rows -> function."""
