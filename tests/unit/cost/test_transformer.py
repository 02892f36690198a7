"""Transformers by their sizes: parameters, kept activations and operations against published formulas and figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stratagem.compiler.cost.transformer import Architecture, Transformer
from stratagem.compiler.cost.workload import Block, Cut, Exchange, Product, Stream, product_flops
from stratagem.runtime.errors import UsageError

GIB = 2**30
ODD = Architecture(hidden=96, layers=3, heads=6, sequence=37, vocabulary=1009)


def gpt(hidden: int, layers: int, heads: int) -> Transformer:
    shape = Architecture(hidden=hidden, layers=layers, heads=heads, sequence=2048, vocabulary=51200)
    return Transformer("gpt", shape, "f16")


def saved(block: Block) -> float:
    return sum(step.saved for step in block.steps if isinstance(step, Product | Stream))


@pytest.mark.parametrize(("samples", "tensor"), [(1, 1), (3, 1), (1, 2), (2, 6)])
def test_activations_of_a_layer(samples: int, tensor: int) -> None:
    """arXiv:2205.05198, equations 1, 2 and 4."""
    shape = ODD
    layer = Transformer("odd", shape, "f16").cut(Cut(samples, tensor))[1]
    sbh = shape.sequence * samples * shape.hidden
    attention = 5 * shape.heads * shape.sequence / shape.hidden
    assert saved(layer) == pytest.approx(sbh * (10 + 24 / tensor + attention / tensor))


def test_sequence_parallelism_cuts_all_activations() -> None:
    shape = Architecture(hidden=96, layers=3, heads=6, sequence=36, vocabulary=1009)
    whole, cut = (saved(Transformer("x", shape, "f16").cut(c)[1]) for c in (Cut(1), Cut(1, 6, True)))
    assert cut == pytest.approx(whole / 6)


@pytest.mark.parametrize(
    ("hidden", "layers", "heads", "ranks", "published"),
    [
        (6144, 48, 64, 8, 59.25),
        (12288, 96, 96, 64, 66.84375),
        (25600, 128, 160, 512, 131.25),
    ],
)
def test_published_activations(hidden: int, layers: int, heads: int, ranks: int, published: float) -> None:
    """arXiv:2205.05198, figure 1, without sequence parallelism or recomputation: GiB of microbatches under way."""
    workload = gpt(hidden, layers, heads)
    samples = 4 if ranks == 8 else 1
    pipeline = ranks // 8
    interleave = 3 if pipeline == 8 else 1
    under_way = pipeline * (1 + (pipeline - 1) / (pipeline * interleave) if interleave > 1 else 1)
    layer = saved(workload.cut(Cut(samples, 8))[1])
    assert layer * layers / pipeline * under_way / GIB == pytest.approx(published, rel=0.005)


@pytest.mark.parametrize(("hidden", "layers", "heads", "billions"), [(6144, 48, 64, 22), (12288, 96, 96, 175)])
def test_parameters(hidden: int, layers: int, heads: int, billions: float) -> None:
    workload = gpt(hidden, layers, heads)
    assert workload.parameters / 1e9 == pytest.approx(billions, rel=0.01)
    assert workload.cut(Cut(1))[1].parameters == 12 * hidden**2 + 13 * hidden


def test_operations_are_those_of_the_published_formula() -> None:
    """arXiv:2104.04473, appendix: 24 B s l h^2 (1 + s / 6h) + 2 B s h V forward."""
    workload, h, layers, s, v = gpt(2304, 24, 24), 2304, 24, 2048, 51200
    assert workload.flops == pytest.approx(24 * s * layers * h**2 * (1 + s / (6 * h)) + 2 * s * h * v)


def test_tensor_ranks_share_operations_and_weights() -> None:
    workload = gpt(6144, 48, 64)
    whole, cut = (workload.cut(c)[1] for c in (Cut(1), Cut(1, 8)))
    assert product_flops(cut) == pytest.approx(product_flops(whole) / 8)
    assert cut.parameters == pytest.approx(whole.parameters / 8, rel=0.001)
    assert [s.primitive for s in cut.steps if isinstance(s, Exchange)] == ["", "all_reduce", "", "all_reduce"]
    parallel = workload.cut(Cut(1, 8, True))[1]
    assert [s.primitive for s in parallel.steps if isinstance(s, Exchange)] == ["all_gather", "reduce_scatter"] * 2
    assert not any(isinstance(s, Exchange) for s in whole.steps)


def test_generating_one_token_reads_all_keys() -> None:
    shape = Architecture(hidden=64, layers=2, heads=4, groups=2, sequence=33, vocabulary=100)
    layer = Transformer("x", shape, "f16", queries=1).cut(Cut(3))[1]
    scores = next(s for s in layer.steps if isinstance(s, Product) and s.name == "scores")
    assert (scores.batch, scores.rows, scores.columns, scores.depth) == (6, 2, 33, 16)  # two heads share each key
    assert layer.state == 2 * 3 * 33 * 2 * 16 * 2


def test_grouped_heads_and_gates_change_weights() -> None:
    plain = Architecture(hidden=64, layers=2, heads=4, sequence=33, vocabulary=100)
    grouped = Architecture(hidden=64, layers=2, heads=4, groups=1, gated=True, sequence=33, vocabulary=100)
    gained = 64 * 256 + 256  # a second inner product and its bias
    lost = 2 * 48 * 64 + 2 * 48  # keys and values of three heads
    assert grouped.layer_weights() == plain.layer_weights() + gained - lost


def test_heads_may_have_a_size_of_their_own() -> None:
    plain = Architecture(hidden=64, layers=2, heads=4, sequence=33, vocabulary=100)
    wide = replace(plain, head=48)
    assert (plain.head_size, wide.head_size, wide.attended, wide.projected) == (16, 48, 192, 576)
    assert wide.layer_weights() - plain.layer_weights() == 4 * 128 * 64 + 3 * 128  # four matrices, three biases
    layer = Transformer("x", replace(wide, heads=5, head=13), "f16").cut(Cut(1))[1]  # five heads divide nothing
    depths = {s.name: s.depth for s in layer.steps if isinstance(s, Product)}
    assert (depths["scores"], depths["projection"]) == (13, 65)


def test_scores_on_chip_move_and_keep_less() -> None:
    shape = Architecture(hidden=64, layers=2, heads=4, sequence=129, vocabulary=100)
    shapes = (shape, replace(shape, fused_attention=True))
    through, on_chip = (Transformer("x", sizes, "f16").cut(Cut(1))[1] for sizes in shapes)
    assert saved(on_chip) < saved(through) / 2
    assert product_flops(on_chip) == product_flops(through)
    inside = {s.name: s.on_chip for s in on_chip.steps if isinstance(s, Product) and s.on_chip}
    assert inside == {"scores": 129 * 129, "weighted values": 129 * 129}
    assert not any(s.on_chip for s in through.steps if isinstance(s, Product))


def test_heads_that_share_keys_may_read_them_each_by_itself() -> None:
    shape = Architecture(hidden=64, layers=2, heads=6, head=8, groups=2, sequence=129, vocabulary=100)
    shapes = (shape, replace(shape, shared_reads=False))
    once, each = (Transformer("x", sizes, "f16").cut(Cut(1, 2))[1] for sizes in shapes)
    scores = [next(s for s in block.steps if isinstance(s, Product) and s.name == "scores") for block in (once, each)]
    assert [(s.batch, s.rows) for s in scores] == [(1, 3 * 129), (3, 129)]  # of one of two ranks
    assert product_flops(once) == product_flops(each)
    assert (once.parameters, once.state) == (each.parameters, each.state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 5}, "5 heads do not divide a hidden size of 96"),
        ({"groups": 4}, "4 groups do not divide 6 heads"),
        ({"layers": 0}, "layers is 0"),
    ],
)
def test_sizes_that_make_no_transformer(change: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(ODD, **change)  # type: ignore[arg-type]


def test_cuts_that_do_not_divide_are_refused_with_the_numbers() -> None:
    workload = Transformer("odd", ODD, "f16")
    assert "4 tensor ranks do not divide 6 heads" in workload.refusal(Cut(1, 4))
    assert "2 ranks do not divide a sequence of 37" in workload.refusal(Cut(1, 2, True))
    assert workload.refusal(Cut(1, 6)) == ""
