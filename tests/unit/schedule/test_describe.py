"""What people are told about kernels."""

from __future__ import annotations

from stratagem.compiler.schedule.describe import describe_text
from tests.unit.schedule.programs import SCAN, mlp
from tests.unit.schedule.support import lowered, summaries


def test_a_line_per_kernel() -> None:
    first, second = describe_text(lowered(mlp(), "generic-avx512")).splitlines()
    assert first.startswith("matmul_add_max: matmul on generic-avx512/fma, 1 call; tiles core ")
    assert "; 52.4 kop; 12.7 kB" in first
    assert second.startswith("matmul_add: matmul on generic-avx512/fma")


def test_unknown_sizes_are_not_guessed() -> None:
    first, _ = summaries(mlp("?"))
    assert first.operations is None and first.bytes is None
    assert "op;" not in str(first)


def test_the_reason_for_the_host_is_told() -> None:
    (kernel,) = summaries(SCAN, "upmem-rank")
    assert str(kernel).endswith("on the host because tm_tensor.scan has no tiled form")
