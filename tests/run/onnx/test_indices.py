"""Indices that data decide: inside the range they work, outside the program stops and says where."""

from __future__ import annotations

import numpy as np
import pytest

import stratagem as sg
from stratagem.runtime.bindings import ExecutionError
from tests.run.onnx.harness import Array, floats, model_of

GATHERS = {
    "Gather": "g (float[5,3] x, int64[n] i) => (float[n,3] y) { y = Gather(x, i) }",
    "GatherND": "g (float[5,3] x, int64[n,1] i) => (float[n,3] y) { y = GatherND(x, i) }",
    "GatherElements": "g (float[5,3] x, int64[n,3] i) => (float[n,3] y) { y = GatherElements(x, i) }",
}


def shaped(name: str, rows: list[int]) -> Array:
    indices = np.array(rows, np.int64)
    return {"Gather": indices, "GatherND": indices[:, None], "GatherElements": np.repeat(indices[:, None], 3, 1)}[name]


@pytest.mark.parametrize("name", GATHERS)
def test_gathers_stop_outside(name: str) -> None:
    program = sg.compile(model_of(GATHERS[name]))
    x = floats(5, 3)
    for rows in ([4], [-1, 0], [-5, 4, 2]):
        np.testing.assert_array_equal(program(x, shaped(name, rows)), x[rows])
    for rows in ([5], [0, -6], [10**12, 0]):
        with pytest.raises(ExecutionError, match="index"):
            program(x, shaped(name, rows))


@pytest.mark.parametrize(("row", "fits"), [(4, True), (-5, True), (5, False), (-6, False), (2**40, False)])
def test_scatters_stop_outside(row: int, fits: bool) -> None:
    text = "g (float[5] x, int64[2,1] i, float[2] u) => (float[5] y) { y = ScatterND(x, i, u) }"
    program = sg.compile(model_of(text))
    x, u = floats(5), np.array([3.0, 4.0], np.float32)
    indices = np.array([[1], [row]], np.int64)
    if fits:
        wanted = x.copy()
        wanted[[1, row]] = u
        np.testing.assert_array_equal(program(x, indices, u), wanted)
        return
    with pytest.raises(ExecutionError, match="an index is outside dimension 0 of size 5"):
        program(x, indices, u)


def test_constant_indices_are_compared_at_compile_time() -> None:
    program = sg.compile(model_of("g (float[5,3] x) => (float[2,3] y) <int64[2] i = {4, -5}> { y = Gather(x, i) }"))
    assert "cf.assert" not in program.ir("tensor")
