"""What predicts a row, by name. A predictor takes the row's facts and gives a number in the row's unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from benchmarks.validation import near_memory
from stratagem.compiler.cost.device import device_model
from stratagem.compiler.cost.figures import Figures
from stratagem.compiler.cost.kernels import Kernels
from stratagem.compiler.cost.model import Model, model_of
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.step import plan_refusal, training_step
from stratagem.compiler.cost.transformer import Architecture, Transformer
from stratagem.hwmodels import load_device, load_machine

Facts = Mapping[str, Any]
Predictor = Callable[[Facts], float]


def training_seconds(facts: Facts) -> float:
    """Seconds of one training step of a transformer on a cluster.

    Facts: `system`, `params`, `dtype`, `model` (sizes of an architecture), `plan` (fields of a plan).
    """
    workload = Transformer(facts["name"], Architecture(**facts["model"]), facts["dtype"])
    plan = Plan(**{**facts.get("run", {}), **facts["plan"]})
    model = _model(facts["system"], tuple(facts.get("params", {}).items()), facts["dtype"])
    refusal = plan_refusal(model, workload, plan)
    if refusal:
        raise ValueError(f"{facts['name']}: {refusal}")
    return training_step(model, workload, plan).seconds


def training_teraflops(facts: Facts) -> float:
    """Operations that a training step is counted with, over its predicted seconds and devices, in TFLOP/s.

    Counted as in arXiv:2104.04473, equation 3, which the published figures use: products of layers and logits, with
    one more forward pass for recomputation, `96 B s l h^2 (1 + s / 6h + V / 16lh)`.
    """
    shape = Architecture(**facts["model"])
    plan = Plan(**{**facts.get("run", {}), **facts["plan"]})
    h, s, layers = shape.hidden, shape.sequence, shape.layers
    counted = 96 * plan.batch * s * layers * h**2 * (1 + s / (6 * h) + shape.vocabulary / (16 * layers * h))
    return counted / plan.devices / training_seconds(facts) / 1e12


def product_teraflops(facts: Facts) -> float:
    """TFLOP/s of one kernel of products on one device.

    Facts: `device`, `dtype`, `shape` (batch, rows, columns, depth).
    """
    batch, rows, columns, depth = facts["shape"]
    kernels = Kernels(device_model(load_device(facts["device"]), facts["dtype"], Figures()))
    seconds = kernels.product(batch, rows, columns, depth).total
    return float(2.0 * batch * rows * columns * depth / seconds / 1e12)


@cache
def _model(system: str, params: tuple[tuple[str, Any], ...], dtype: str) -> Model:
    return model_of(load_machine(system, dict(params)), dtype)


PREDICTORS: Mapping[str, Predictor] = {
    "product-teraflops": product_teraflops,
    "training-seconds": training_seconds,
    "training-teraflops": training_teraflops,
    "unit-from-milliseconds": near_memory.from_milliseconds,
    "unit-kernel-milliseconds": near_memory.kernel_milliseconds,
    "unit-loop-megacycles": near_memory.loop_megacycles,
    "unit-to-milliseconds": near_memory.to_milliseconds,
}
"""Name in a file of rows -> function."""
