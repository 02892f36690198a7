"""Operators the front end lowers or rewrites itself, with free sizes, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from stratagem.compiler.ir import walk
from tests.run.onnx.harness import check, floats, model_of

RESHAPES = {
    "split": ("float[B,S,12] x", "<int64[4] w = {0, 0, 3, 4}> { y = Reshape(x, w) }", (2, 5, 12)),
    "merge two free sizes": ("float[B,S,12] x", "<int64[2] w = {-1, 12}> { y = Reshape(x, w) }", (2, 5, 12)),
    "merge all": ("float[B,S,3] x", "<int64[1] w = {-1}> { y = Reshape(x, w) }", (2, 5, 3)),
    "regroup": ("float[B,6,4] x", "<int64[3] w = {0, 4, 6}> { y = Reshape(x, w) }", (7, 6, 4)),
    "to scalar": ("float[1,1] x", "<int64[0] w = {}> { y = Reshape(x, w) }", (1, 1)),
    "computed shape": (
        "float[B,S,8] x",
        "<int64[2] tail = {2, 4}> { n = Shape<start=0, end=2>(x)  w = Concat<axis=0>(n, tail)  y = Reshape(x, w) }",
        (3, 5, 8),
    ),
    "heads back": (
        "float[B,S,8] x",
        "<int64[4] a = {0, 0, 2, 4}, int64[3] b = {0, 0, 8}> { h = Reshape(x, a) "
        " t = Transpose<perm=[0, 2, 1, 3]>(h)"
        "  u = Transpose<perm=[0, 2, 1, 3]>(t)  y = Reshape(u, b) }",
        (3, 5, 8),
    ),
    "flatten": ("float[B,S,3,4] x", "{ y = Flatten<axis=2>(x) }", (2, 5, 3, 4)),
    "flatten at 0": ("float[B,S] x", "{ y = Flatten<axis=0>(x) }", (2, 5)),
    "squeeze and unsqueeze": (
        "float[B,1,S] x",
        "<int64[1] a = {1}, int64[2] b = {0, -1}> { s = Squeeze(x, a)  y = Unsqueeze(s, b) }",
        (2, 1, 5),
    ),
}


@pytest.mark.parametrize("case", RESHAPES)
def test_reshapes(case: str) -> None:
    signature, body, shape = RESHAPES[case]
    check(model_of(f"g ({signature}) => (float y) {body}"), {"x": floats(*shape)})


def test_reshape_to_a_shape_given_when_the_program_runs() -> None:
    model = model_of("g (float[A,B] x, int64[3] w) => (float[P,Q,R] y) { y = Reshape(x, w) }")
    for shape in ([2, 3, 4], [4, -1, 2], [0, 2, 2]):
        check(model, {"x": floats(6, 4), "w": np.array(shape)})


POOLS = [
    "y = MaxPool<kernel_shape=[2, 2], strides=[2, 2], auto_pad='SAME_UPPER'>(x)",
    "y = MaxPool<kernel_shape=[3, 2], strides=[2, 3], auto_pad='SAME_LOWER'>(x)",
    "y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1>(x)",
    "y = AveragePool<kernel_shape=[3, 3], strides=[2, 2], auto_pad='SAME_UPPER'>(x)",
    "y = AveragePool<kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1>(x)",
    "y = MaxPool<kernel_shape=[2, 2], auto_pad='VALID'>(x)",
]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("size", [(7, 8), (9, 5)])
def test_pooling_of_free_sizes(pool: str, size: tuple[int, int]) -> None:
    text = pool.replace("'", '"')
    check(model_of(f"g (float[1,2,H,W] x) => (float[1,2,P,Q] y) {{ {text} }}"), {"x": floats(1, 2, *size)})


def test_convolution_with_same_padding_of_free_sizes() -> None:
    model = model_of(
        'g (float[1,2,H,W] x) => (float[1,3,P,Q] y) { y = Conv<auto_pad="SAME_UPPER", strides=[2, 2]>(x, w) }'
    )
    model.graph.initializer.append(numpy_helper.from_array(floats(3, 2, 3, 3), "w"))
    check(model, {"x": floats(1, 2, 7, 10)})


@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 3, 5, 4), (1, 1, 4), (0, 5, 4)])
def test_product_with_one_matrix_for_all_batches(shape: tuple[int, ...]) -> None:
    sizes = ",".join(f"n{i}" for i in range(len(shape) - 1))
    model = model_of(f"g (float[{sizes},4] x) => (float y) {{ y = MatMul(x, w) }}")
    model.graph.initializer.append(numpy_helper.from_array(floats(4, 3), "w"))
    program = check(model, {"x": floats(*shape)})
    found = {op.name for op in walk(program.module.operation)}
    assert "linalg.matmul" in found and "linalg.batch_matmul" not in found


SMALL = [
    "y = Softsign(x)",
    "y = Dropout(x)",
    "y = CastLike(x, x)",
    "n = Shape(x)  y0 = ConstantOfShape(n)  y = Add(x, y0)",
    "y = LpNormalization<axis=0>(x)",
    "a, b = Split<axis=1, num_outputs=2>(x)  y = Concat<axis=0>(a, b)",
]


@pytest.mark.parametrize("body", SMALL)
def test_rewritten_operators(body: str) -> None:
    check(model_of(f"g (float[N,4] x) => (float y) {{ {body} }}"), {"x": floats(3, 4)})


def test_unsigned_input_is_marked() -> None:
    model = model_of("g (uint8[N] x) => (float[N] y) { y = Cast<to=1>(x) }")
    program = check(model, {"x": np.array([0, 1, 200], np.uint8)})
    assert 'model.input = "x", model.unsigned' in str(program.module)
