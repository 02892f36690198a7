"""Numbers with ranges: both ends bound every cost, and what is used is remembered."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratagem.compiler.cost.figures import End, Figure, Figures, least_trusted_figure
from stratagem.compiler.cost.model import Model
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.step import inference_step, plan_refusal, training_step
from stratagem.compiler.cost.transformer import Architecture, Transformer
from stratagem.hwmodels import Provenance

SPREAD = Provenance("assumed", 0.5)


def test_more_of_a_gain_and_less_of_a_burden_are_best() -> None:
    best, stated, worst = (Figures(end) for end in (End.BEST, End.STATED, End.WORST))
    assert [f.gain("g", 2.0, SPREAD) for f in (best, stated, worst)] == [3.0, 2.0, 1.0]
    assert [f.burden("b", 2.0, SPREAD) for f in (best, stated, worst)] == [1.0, 2.0, 3.0]
    assert best.gain("share", 0.9, SPREAD, 1.0) == 1.0
    assert best.taken["g"] == Figure("g", 2.0, 1.0, 3.0, SPREAD)


def test_one_number_alone_leaves_the_others_as_stated() -> None:
    alone = Figures(End.WORST, alone="g")
    assert (alone.gain("g", 2.0, SPREAD), alone.gain("other", 2.0, SPREAD)) == (1.0, 2.0)


def test_without_a_spread_there_is_no_range() -> None:
    assert Figures(End.WORST).gain("g", 2.0, Provenance("datasheet")) == 2.0


def test_least_trust_goes_by_kind_then_by_spread() -> None:
    figures = [
        Figure("a", 1, 1, 1, Provenance("measured", 0.9)),
        Figure("b", 1, 1, 1, Provenance("assumed", 0.1)),
        Figure("c", 1, 1, 1, Provenance("assumed", 0.2)),
    ]
    assert least_trusted_figure(figures).key == "c"
    assert str(figures[2]) == "c (assumed, ±20%)"


plans = st.builds(
    Plan,
    tensor=st.sampled_from([1, 2, 4]),
    pipeline=st.sampled_from([1, 2, 3]),
    data=st.sampled_from([1, 2, 5]),
    batch=st.sampled_from([30, 60]),
    microbatch=st.sampled_from([1, 2, 3]),
    interleave=st.sampled_from([1, 2]),
    sequence=st.booleans(),
    recompute=st.sampled_from(["none", "selective", "full"]),
    shard=st.sampled_from([0, 1, 2, 3]),
    overlap_gradients=st.booleans(),
    overlap_tensor=st.booleans(),
    fused_accumulation=st.booleans(),
)


@given(plans)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ends_bound_every_plan(models: tuple[Model, Model, Model], plan: Plan) -> None:
    shape = Architecture(hidden=512, layers=12, heads=8, sequence=252, vocabulary=1001)
    workload = Transformer("small", shape, "bf16")
    if plan_refusal(models[1], workload, plan):
        return
    for step in (training_step, inference_step):
        best, stated, worst = (step(model, workload, plan) for model in models)
        assert 0 < best.seconds < stated.seconds < worst.seconds
        assert best.memory_bytes == stated.memory_bytes == worst.memory_bytes > 0
        assert min(stated.compute, stated.memory, stated.network, stated.wait) >= 0
