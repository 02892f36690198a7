"""Exact Triton source of common kernels. `python -m tests.golden.gpu.test_triton_source` accepts changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.gpu import kernels
from tests.unit.gpu.support import printed

HERE = Path(__file__).parent

SOURCES: dict[str, Callable[[], str]] = {
    "matmul_gelu_bf16": lambda: kernels.matmul_gelu("?", 768, 3072, "bf16", tile=(128, 256, 64)),
    "matmul_gelu_ragged_f32": lambda: kernels.matmul_gelu("?", 70, 45),
    "batch_matmul_transposed_f16": lambda: kernels.batch_matmul(3, 17, 40, 5, "f16", transposed=True),
    "batch_matvec_f32": lambda: kernels.batch_matmul(3, 1, 40, 5),
    "point_convolution_bf16": lambda: kernels.point_convolution(33, 64, 5, 28, "bf16"),
    "scale_add_f32": lambda: kernels.scale_add("?", 101),
    "softmax_bf16": lambda: kernels.softmax("?", 1000, "bf16"),
    "layer_norm_f32": lambda: kernels.layer_norm("?", 1024),
    "row_maximum_f32": lambda: kernels.row_sum(5, 100, operation="arith.maximumf"),
    "two_phases_f32": lambda: kernels.two_phases(5, 33),
    "attention_f16": lambda: kernels.attention(2, 70, 32, "f16"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_source(name: str) -> None:
    assert printed(SOURCES[name]()).source == (HERE / f"{name}.triton").read_text()


if __name__ == "__main__":
    for name, text in SOURCES.items():
        (HERE / f"{name}.triton").write_text(printed(text()).source)
