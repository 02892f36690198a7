"""Emitted kernels, interpreted under checks, against the reference with derived bounds, at awkward sizes."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.binding import Array
from stratagem.compiler.backends.gpu.interpreter import CheckedInterpreter
from stratagem.runtime.errors import RuntimeInputError
from stratagem.runtime.signature import NUMPY_TYPES
from tests.unit.gpu import kernels
from tests.unit.gpu.support import arguments, check_run, needs_triton, printed

pytestmark = needs_triton

DTYPES = ("f32", "f16", "bf16")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [1, 47, 48, 49, 101])
def test_matmul_with_epilogue(interpreter: CheckedInterpreter, m: int, dtype: str) -> None:
    check_run(interpreter, lambda t: kernels.matmul_gelu("?", 70, 45, t), dtype, m)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 17, 40, 5), (2, 1, 40, 7), (1, 16, 16, 16), (2, 5, 1, 3)])
@pytest.mark.parametrize("transposed", [False, True])
def test_batch_matmul(
    interpreter: CheckedInterpreter, shape: tuple[int, int, int, int], dtype: str, transposed: bool
) -> None:
    check_run(interpreter, lambda t: kernels.batch_matmul(*shape, t, transposed=transposed), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 7, 5, 9), (33, 3, 4, 6), (16, 17, 3, 1)])
def test_contractions_with_two_row_dimensions(
    interpreter: CheckedInterpreter, shape: tuple[int, int, int, int], dtype: str
) -> None:
    check_run(interpreter, lambda t: kernels.point_convolution(*shape, t), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (5, 48), (6, 49), (13, 101)])
def test_elementwise_with_broadcasts(interpreter: CheckedInterpreter, m: int, n: int, dtype: str) -> None:
    check_run(interpreter, lambda t: kernels.scale_add("?", n, t), dtype, m)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), [(1, 2), (3, 64), (4, 37), (7, 1)])
def test_softmax(interpreter: CheckedInterpreter, m: int, n: int, dtype: str) -> None:
    check_run(interpreter, lambda t: kernels.softmax("?", n, t), dtype, m)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), [(1, 64), (2, 97), (5, 33)])
def test_layer_norm(interpreter: CheckedInterpreter, m: int, n: int, dtype: str) -> None:
    check_run(interpreter, lambda t: kernels.layer_norm("?", n, t), dtype, m)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", ["arith.addf", "arith.maximumf"])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (5, 24), (3, 25), (2, 101)])
def test_row_reductions(interpreter: CheckedInterpreter, m: int, n: int, operation: str, dtype: str) -> None:
    check_run(interpreter, lambda t: kernels.row_sum(m, n, t, operation=operation), dtype)


def test_two_phases_pass_scratch_memory(interpreter: CheckedInterpreter) -> None:
    check_run(interpreter, lambda _: kernels.two_phases(5, 33), "f32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("length", "depth"), [(70, 32), (37, 24)])
def test_attention(interpreter: CheckedInterpreter, length: int, depth: int, dtype: str) -> None:
    """Probabilities are rounded before the second product; they add up to one, so by max |v| times that."""

    def build(element: str) -> str:
        return kernels.attention(2, length, depth, element)

    values = arguments(printed(build(dtype)).plan, 0)[2]
    check_run(interpreter, build, dtype, inner=float(np.abs(values.astype(np.float64)).max()))


def test_a_maximum_passes_nan_on(interpreter: CheckedInterpreter) -> None:
    kernel = printed(kernels.row_sum(2, 30, operation="arith.maximumf"))
    values = np.zeros((2, 30), np.float32)
    values[1, 29] = np.nan
    out = np.zeros(2, np.float32)
    interpreter.run(kernel.source, kernel.plan, [values, out])
    assert out[0] == 0 and np.isnan(out[1])


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_programs_does_not_matter(interpreter: CheckedInterpreter, seed: int) -> None:
    check_run(interpreter, lambda t: kernels.matmul_gelu("?", 40, 70, t), "f32", 100, seed=seed)


def test_no_programs_for_no_rows(interpreter: CheckedInterpreter) -> None:
    kernel = printed(kernels.softmax("?", 8))
    empty = np.zeros((0, 8), np.float32)
    assert interpreter.run(kernel.source, kernel.plan, [empty, empty.copy()]).lanes == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "window", "stride"), [(11, 3, 2), (8, 2, 1), (5, 5, 3)])
def test_windows(interpreter: CheckedInterpreter, n: int, window: int, stride: int, dtype: str) -> None:
    check_run(interpreter, lambda t: kernels.window_maximum(3, n, window, stride, t), dtype)


def gathered(interpreter: CheckedInterpreter, index: list[int]) -> tuple[Array, Array]:
    kernel = printed(kernels.gather(7, len(index), 5, "bf16"))
    table, out = arguments(kernel.plan, 0)[0], np.zeros((len(index), 5), NUMPY_TYPES["bf16"])
    interpreter.run(kernel.source, kernel.plan, [table, np.array(index, np.int64), out])
    return table, out


def test_gather(interpreter: CheckedInterpreter) -> None:
    table, out = gathered(interpreter, [6, 0, 3, 3, 1])
    assert np.array_equal(out, table[[6, 0, 3, 3, 1]])


@pytest.mark.parametrize(
    ("index", "message"), [([0, 1, 2, 3, 7], "index is past the table"), ([-1, 1], "index is negative")]
)
def test_failed_assertions_are_raised(interpreter: CheckedInterpreter, index: list[int], message: str) -> None:
    with pytest.raises(RuntimeInputError, match=f"kernel 'gather': {message}$"):
        gathered(interpreter, index)
