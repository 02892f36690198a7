"""What predicts rows about kernels, layers and answers, and how near it is to what was published."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.validation.__main__ import outcomes
from benchmarks.validation.inference import answer_tokens, first_token_milliseconds, layer_milliseconds
from benchmarks.validation.predictors import elementwise_gigaelements, model_teraflops, product_teraflops
from benchmarks.validation.rows import read_rows

MODEL = {"hidden": 1024, "layers": 3, "heads": 8, "vocabulary": 1009, "fused_attention": True}
FACTS: dict[str, Any] = {
    "name": "small",
    "system": "a100-node",
    "dtype": "f16",
    "tensor": 1,
    "batch": 3,
    "prompt": 127,
    "answer": 33,
    "model": MODEL,
}
KERNEL: dict[str, Any] = {"device": "a100-sxm", "dtype": "f16"}


def test_longer_prompts_and_answers_cost_more() -> None:
    short, long = (first_token_milliseconds({**FACTS, "prompt": prompt}) for prompt in (127, 4096))
    assert 0 < short < long
    assert answer_tokens({**FACTS, "prompt": 4096}) < answer_tokens(FACTS)
    assert answer_tokens({**FACTS, "answer": 1}) < answer_tokens(FACTS)  # the prompt is read once


def test_tokens_are_counted_for_each_device() -> None:
    one, four = (answer_tokens({**FACTS, "tensor": tensor}) for tensor in (1, 4))
    assert four < one  # so small a model gains nothing from exchanges


def test_one_layer_is_a_part_of_the_step() -> None:
    layer = layer_milliseconds({**FACTS, "model": {**MODEL, "sequence": 127}})
    assert 0 < 3 * layer < first_token_milliseconds(FACTS)
    assert layer_milliseconds({**FACTS, "model": {**MODEL, "sequence": 127}, "queries": 1}) < layer


def test_ranks_that_do_not_divide_are_no_prediction() -> None:
    with pytest.raises(ValueError, match="small: 3 tensor ranks do not divide 8 heads"):
        first_token_milliseconds({**FACTS, "tensor": 3})


def test_the_hosts_share_of_a_measurement_is_added() -> None:
    facts = {**KERNEL, "shape": [1, 257, 129, 1009]}
    work = 2 * 257 * 129 * 1009 / 1e12
    alone, timed = product_teraflops(facts), product_teraflops({**facts, "overhead": 21e-6})
    assert work / timed - work / alone == pytest.approx(21e-6)
    facts = {**KERNEL, "step": "norm", "count": 1009}
    alone, timed = elementwise_gigaelements(facts), elementwise_gigaelements({**facts, "overhead": 45e-6})
    assert 1009 / timed / 1e9 - 1009 / alone / 1e9 == pytest.approx(45e-6)


@pytest.mark.parametrize("step", ["activation", "norm", "softmax"])
def test_large_elementwise_kernels_run_at_memory_speed(step: str) -> None:
    assert elementwise_gigaelements({**KERNEL, "step": step, "count": 1 << 30}) == pytest.approx(403, rel=0.01)


def test_an_elementwise_step_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="there is no elementwise step 'sort'; there are activation, norm, softmax"):
        elementwise_gigaelements({**KERNEL, "step": "sort", "count": 1})


def test_recomputation_is_no_work_of_the_model() -> None:
    row = next(row for row in read_rows() if row.predictor == "model-teraflops")
    kept = {**row.facts, "run": {"shard": 3, "recompute": "none"}}
    assert model_teraflops(row.facts) < model_teraflops(kept) < 1.4 * model_teraflops(row.facts)


@pytest.mark.parametrize(("group", "rows", "most"), [("gpu", 60, 0.15), ("tpu", 5, 0.15)])
def test_published_figures_are_met(group: str, rows: int, most: float) -> None:
    errors = [abs(outcome.error) for outcome in outcomes([row for row in read_rows() if row.group == group])]
    assert len(errors) >= rows
    assert sum(errors) / len(errors) <= most
