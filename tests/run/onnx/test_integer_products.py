"""Products of bytes, with zero points of every kind: the same integers as onnxruntime's, multiplied as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import walk
from tests.run.onnx.harness import Array, check, model_of

KINDS = {"uint8": np.uint8, "int8": np.int8}


def bytes_of(kind: str, *shape: int) -> Array:
    """All values of a byte, the extremes more often."""
    random = np.random.default_rng([*shape, len(kind)])
    drawn = np.where(
        random.random(shape) < 0.3, random.choice([0, 127, 128, 255], shape), random.integers(0, 256, shape)
    )
    return drawn.astype(np.uint8).view(KINDS[kind])


@pytest.mark.parametrize("right", ["uint8", "int8"])
@pytest.mark.parametrize("points", ["", ", p", ", p, q", ", , q"])
@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7)])
def test_zero_points_given_to_the_run(right: str, points: str, shape: tuple[int, ...]) -> None:
    free = ["A", "B", "C"][: len(shape) - 1]
    sizes, out = ",".join([*free, "7"]), ",".join([*free, "9"])
    given = {"a": bytes_of("uint8", *shape), "b": bytes_of(right, 7, 9)}
    names = [f"uint8[{sizes}] a", f"{right}[7,9] b"]
    for name, kind, value in (("p", "uint8", 131), ("q", right, 77)):
        if name in points:
            names.append(f"{kind} {name}")
            given[name] = np.array(value, KINDS[kind])
    program = check(
        model_of(f"g ({', '.join(names)}) => (int32[{out}] y) {{ y = MatMulInteger(a, b{points}) }}"), given
    )
    assert multiplies_bytes(program)


def multiplies_bytes(program: Any) -> bool:
    """Whether both factors of the one product are bytes, and its sums have 32 bits."""
    products = [op for op in walk(program.module.operation) if op.name == "linalg.generic" and "reduction" in str(op)]
    factors = [[str(v.type.element_type) for v in op.operands] for op in products if "arith.muli" in str(op)]
    return factors == [["i8", "i8", "i32"]]


@pytest.mark.parametrize("p, q", [(0, 0), (128, 0), (0, 3), (255, -128)])
def test_zero_points_of_a_model(p: int, q: int) -> None:
    weight = ", ".join(map(str, bytes_of("int8", 7, 5).reshape(-1)))
    text = f"g (uint8[M,7] a) => (int32[M,5] y) <int8[7,5] b = {{{weight}}}, uint8 p = {{{p}}}, int8 q = {{{q}}}>"
    program = check(model_of(f"{text} {{ y = MatMulInteger(a, b, p, q) }}"), {"a": bytes_of("uint8", 3, 7)})
    assert multiplies_bytes(program)
    assert ("arith.subi" in str(program.module)) == ((p, q) != (0, 0))


def test_a_zero_point_for_each_row_and_column() -> None:
    model = model_of(
        "g (uint8[3,7] a, int8[7,5] b, uint8[3] p, int8[5] q) => (int32[3,5] y) { y = MatMulInteger(a, b, p, q) }"
    )
    given = {
        "a": bytes_of("uint8", 3, 7),
        "b": bytes_of("int8", 7, 5),
        "p": bytes_of("uint8", 3),
        "q": bytes_of("int8", 5),
    }
    wide = {name: value.astype(np.int64) for name, value in given.items()}
    wanted = (wide["a"] - wide["p"][:, None]) @ (wide["b"] - wide["q"])
    assert (run(model, given) == wanted).all()


def run(model: Any, given: dict[str, Array]) -> Array:
    """The reference interpreter's result: onnxruntime has no kernel for zero points of rows."""
    (result,) = emulate(load_onnx(model, isolate=False), given)
    return np.asarray(result)


def test_batches_of_both_factors_take_the_other_way() -> None:
    model = model_of("g (uint8[2,3,7] a, uint8[2,7,5] b, uint8 p) => (int32[2,3,5] y) { y = MatMulInteger(a, b, p) }")
    check(model, {"a": bytes_of("uint8", 2, 3, 7), "b": bytes_of("uint8", 2, 7, 5), "p": np.array(9, np.uint8)})


def test_a_quantized_layer() -> None:
    """The form that quantization tools write: a scale and a zero point per run, weights of bytes."""
    weight = ", ".join(map(str, bytes_of("int8", 7, 5).reshape(-1)))
    text = f"g (float[M,7] x) => (float[M,5] y) <int8[7,5] w = {{{weight}}}, int8 q = {{0}}, float s = {{0.02}}>"
    body = "a, scale, p = DynamicQuantizeLinear(x)\n sums = MatMulInteger(a, w, p, q)\n wide = Cast<to=1>(sums)\n"
    model = model_of(f"{text} {{ {body} both = Mul(scale, s)\n y = Mul(wide, both) }}")
    check(model, {"x": np.random.default_rng(0).standard_normal((4, 7)).astype(np.float32)})
