"""Exact UPMEM C of common kernels. `python -m tests.golden.upmem.test_upmem_source` accepts changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.upmem import kernels
from tests.unit.upmem.support import emit

HERE = Path(__file__).parent

SOURCES: dict[str, Callable[[], str]] = {
    "vector_add_i32": lambda: kernels.vector_add(1009, 32, 8, 4),
    "matvec_f32": lambda: kernels.matvec(97, 33, 8, 4, "f32"),
    "matmul_ragged_i32": lambda: kernels.matmul(33, 31, 29, (16, 16), (5, 3), 7),
    "matmul_whole_tiles_f32": lambda: kernels.matmul(64, 64, 64, (16, 32), (8, 8), 16, "f32"),
    "reduction_i32": lambda: kernels.reduction(1009, 100, 5),
    "softmax_rows": lambda: kernels.softmax(33, 64, 8, 2),
}


def texts(name: str) -> dict[str, str]:
    """File name -> content, for the DPU program and the host side."""
    files = emit(SOURCES[name]())
    program = next(content for file, content in files.items() if file.endswith(".dpu.c"))
    return {f"{name}.dpu.c": program.decode(), f"{name}.host.c": files["host.c"].decode()}


@pytest.mark.parametrize("name", SOURCES)
def test_source(name: str) -> None:
    for file, text in texts(name).items():
        assert text == (HERE / file).read_text(), f"{file} changed"


if __name__ == "__main__":
    for one in SOURCES:
        for file, text in texts(one).items():
            (HERE / file).write_text(text)
