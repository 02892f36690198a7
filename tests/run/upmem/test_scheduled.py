"""Programs tiled by the compiler's own schedule, on the simulator, against the reference of the untiled program."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stratagem.compiler.backends.upmem.compile import compile_kernels
from stratagem.compiler.backends.upmem.report import RunReport
from stratagem.compiler.interpreter.api import compare, reference_with_bound
from stratagem.compiler.ir import parse_module
from tests.unit.upmem import programs
from tests.unit.upmem.support import NUMPY, Array, device, random, run, scheduled


def check_program(text: str, inputs: list[Array]) -> RunReport:
    """Tiles, emits and runs the one kernel of a program; compares with the program itself."""
    code = compile_kernels(scheduled(text), device())
    [(value, bound)] = reference_with_bound(parse_module(text), inputs)
    [entry] = json.loads(code.files["kernels.json"]).values()
    want = entry["arguments"][-1]
    output = np.zeros(want["shape"], NUMPY[want["dtype"]])
    shaped = [a.reshape(e["shape"]) for a, e in zip(inputs, entry["arguments"], strict=False)]
    report = run(dict(code.files), shaped, output)
    verdict = compare(output.reshape(value.shape), value, bound)
    assert verdict, str(verdict)
    return report


@pytest.mark.parametrize("dtype", ["i32", "f32"])
@pytest.mark.parametrize("m, n, k", [(37, 53, 29), (1031, 1, 17), (3, 257, 8)])
def test_matmul(m: int, n: int, k: int, dtype: str) -> None:
    check_program(programs.matmul(m, n, k, dtype), [random((m, k), dtype, 1), random((k, n), dtype, 2)])


@pytest.mark.parametrize("n", [2, 13])
def test_an_operand_that_is_the_initial_value_too(n: int) -> None:
    check_program(programs.matmul_onto_itself(n), [random((n, n), "f32", 1), random((n, n), "f32", 2)])


@pytest.mark.parametrize("dtype", ["i32", "f32"])
@pytest.mark.parametrize("n", [10007, 2049])
def test_chain(n: int, dtype: str) -> None:
    check_program(programs.chain(n, dtype), [random((n,), dtype, 1), random((n,), dtype, 2)])


@pytest.mark.parametrize("m, n", [(61, 1009), (5, 7)])
def test_row_sums(m: int, n: int) -> None:
    check_program(programs.row_sums(m, n, "f32"), [random((m, n), "f32", 1)])


def test_softmax() -> None:
    check_program(programs.softmax(67, 101), [3 * random((67, 101), "f32", 1)])


@pytest.mark.parametrize("dtype", ["i32", "f32"])
def test_a_convolution_with_a_stride_moves_whole_rows(dtype: str) -> None:
    inputs = [random((1, 3, 11, 11), dtype, 1), random((5, 3, 3, 3), dtype, 2)]
    check_program(programs.strided_convolution(11, dtype), inputs)


def test_gather_fetches_single_granules() -> None:
    index = np.array([3, -1, 0, 6, 3], np.int64)
    check_program(programs.gather(7, 5, 5), [index, random((7, 5), "f32", 1)])
