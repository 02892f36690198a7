"""What becomes one kernel."""

from __future__ import annotations

from stratagem.compiler.ir import find_function, walk
from tests.unit.schedule.programs import (
    ATTENTION,
    BRANCHES,
    CONCAT,
    CONV,
    HEADS,
    SCAN,
    SUM_ALL,
    TWO_READERS,
    mlp,
    softmax,
)
from tests.unit.schedule.support import lowered, summaries


def functions_of(text: str, target: str = "generic-avx512") -> list[str]:
    return [one.function for one in summaries(text, target)]


def test_bias_and_activation_join_their_matmul() -> None:
    assert functions_of(mlp()) == ["matmul", "matmul"]


def test_softmax_is_one_kernel_over_rows() -> None:
    (kernel,) = summaries(softmax())
    assert kernel.function == "reduce_sum"
    assert kernel.cuts[0].where == "core"


def test_attention_is_one_kernel() -> None:
    (kernel,) = summaries(ATTENTION)
    assert kernel.function == "batch_matmul"


def test_heads_are_split_and_joined_without_copies() -> None:
    (kernel,) = summaries(HEADS)
    assert kernel.function == "batch_matmul"


def test_attention_stays_apart_where_its_rows_do_not_fit() -> None:
    long = ATTENTION.replace("3x11x8", "3x20011x8").replace("13x11", "13x20011")
    assert len(summaries(long, "upmem-rank")) > 1


def test_bias_and_residual_join_their_convolution() -> None:
    assert functions_of(CONV) == ["copy", "conv_2d"]


def test_a_value_read_outside_is_a_second_result() -> None:
    (kernel,) = summaries(TWO_READERS)
    module = lowered(TWO_READERS, "generic-avx512")
    assert len(find_function(module, kernel.name).regions[0].blocks[0].arguments) == 3


def test_an_op_without_tiles_is_a_sequential_kernel() -> None:
    assert functions_of(SCAN) == ["sequential"]


def test_kernels_are_made_inside_branches() -> None:
    module = lowered(BRANCHES, "generic-avx512")
    branch = next(op for op in walk(find_function(module, "main")) if op.name == "scf.if")
    assert "func.call" in [op.name for op in walk(branch)]


def test_equal_kernels_are_one_function() -> None:
    two = mlp().replace("53x11", "53x53").replace("13x11", "13x53").replace("tensor<11x", "tensor<53x")
    two = two.replace("tensor<11xf32>", "tensor<53xf32>").replace("37", "53")
    found = summaries(two.replace("%r,", "%h,"))
    assert [one.calls for one in found] == [2]


def test_pieces_of_a_concatenation_share_a_phase() -> None:
    (kernel,) = summaries(CONCAT)
    assert kernel.function == "copy"


def test_a_reduction_over_rows_stays_apart_from_one_over_columns() -> None:
    text = TWO_READERS.replace("#row = affine_map<(d0, d1) -> (d0)>", "#row = affine_map<(d0, d1) -> (d1)>")
    text = text.replace("tensor<5xf32>", "tensor<9xf32>").replace(
        '["parallel", "reduction"]', '["reduction", "parallel"]'
    )
    assert len(summaries(text)) == 2


def test_a_sum_of_everything_is_shared_out_by_rows() -> None:
    rows, total = summaries(SUM_ALL)
    assert (rows.function, total.function) == ("reduce_sum", "sequential")
    assert rows.cuts[0].where == "core"


def test_a_sum_from_another_start_is_not_split() -> None:
    text = SUM_ALL.replace("arith.constant 0.0", "arith.constant 1.0")
    assert [one.function for one in summaries(text)][-1] == "sequential"
    assert "tensor<211xf32>" not in str(lowered(text, "generic-avx512"))


def test_work_is_counted() -> None:
    first, _ = summaries(mlp())
    assert first.operations == 13 * 37 * 53 * 2 + 13 * 53 * 2
    assert first.bytes == 4 * (13 * 37 + 37 * 53 + 53 + 13 * 53)
