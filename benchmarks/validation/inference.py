"""What predicts rows about inference: a layer, the first token of an answer, and whole answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.validation.machines import machine_model
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.step import inference_step, plan_refusal
from stratagem.compiler.cost.transformer import Architecture, Transformer
from stratagem.compiler.cost.workload import Cut

STEPS = 8
"""Lengths of the context at which a step of an answer is costed; a step's time grows linearly between them."""


def layer_milliseconds(facts: Mapping[str, Any]) -> float:
    """ms of the forward pass of one layer on `tensor` devices, its exchanges included.

    Facts: `system`, `dtype`, `model`, `tensor`, `batch`; `queries` (tokens at a time; all by default).
    """
    workload = _workload(facts, facts["model"], facts.get("queries", 0))
    model = machine_model(facts["system"], facts["dtype"])
    cut = Cut(facts["batch"], facts["tensor"], False)
    _, layer, _ = model.stages(workload, cut, "none", False)
    return (layer.forward.total + layer.forward_exchange) * 1e3


def first_token_milliseconds(facts: Mapping[str, Any]) -> float:
    """ms until the first token of an answer: the prompt read in one pass. Facts: as above, and `prompt` tokens."""
    return _step(facts, facts["prompt"], 0) * 1e3


def answer_tokens(facts: Mapping[str, Any]) -> float:
    """Tokens a second and device, over reading `prompt` tokens and writing `answer` tokens, for a batch that stays
    together until all its answers are written. Facts: as above, and `answer` tokens."""
    prompt, answer, batch = facts["prompt"], facts["answer"], facts["batch"]
    lengths = [prompt + answer * (2 * part + 1) // (2 * STEPS) for part in range(STEPS)]
    each = sum(_step(facts, length, 1) for length in lengths) / STEPS
    return float(batch * answer / (_step(facts, prompt, 0) + answer * each) / facts["tensor"])


def _step(facts: Mapping[str, Any], length: int, queries: int) -> float:
    """Seconds of a pass over `queries` tokens with a context of `length`."""
    workload = _workload(facts, {**facts["model"], "sequence": length}, queries)
    model = machine_model(facts["system"], facts["dtype"])
    plan = Plan(tensor=facts["tensor"], batch=facts["batch"], microbatch=facts["batch"])
    refusal = plan_refusal(model, workload, plan, "inference")
    if refusal:
        raise ValueError(f"{facts['name']}: {refusal}")
    return inference_step(model, workload, plan).seconds


def _workload(facts: Mapping[str, Any], sizes: Mapping[str, Any], queries: int) -> Transformer:
    return Transformer(facts["name"], Architecture(**{"dropout": False, **sizes}), facts["dtype"], queries)
