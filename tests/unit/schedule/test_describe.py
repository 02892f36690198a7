"""What people are told about kernels."""

from __future__ import annotations

import re

from torch_mlir import ir

from stratagem.compiler.schedule.describe import describe_text
from stratagem.compiler.schedule.kernel import kernels
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


def test_operations_of_free_sizes_are_sums_of_products() -> None:
    """Every extent is traced to a size of the kernel's arguments; the same sums come out at every size."""
    module = lowered(mlp("?"), "generic-avx512")
    for function, counted in zip(kernels(module), summaries(mlp("13")), strict=True):
        work = ir.DictAttr(function.attributes["device.work"])
        terms = [str(ir.StringAttr(t).value).split("*") for t in ir.ArrayAttr(work["terms"])]
        assert terms and all(re.fullmatch(r"0\.0|\d+", part) for term in terms for part in term)
        assert 13 * sum(int(count) for count, *_ in terms) == counted.operations


def test_the_reason_for_the_host_is_told() -> None:
    (kernel,) = summaries(SCAN, "upmem-rank")
    assert str(kernel).endswith("on the host because tm_tensor.scan has no tiled form")
