"""Host expressions and launch plans: folding, evaluation, storage, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.binding import EXTENT_LIMIT, bind
from stratagem.compiler.backends.gpu.expressions import Expression, dimension, evaluate, make, product
from stratagem.compiler.backends.gpu.plan import Argument, KernelPlan, Launch, Parameter, Scratch
from stratagem.runtime.errors import ArtifactError, RuntimeInputError

PLAN = KernelPlan(
    "k",
    (Argument("f32", (None, 7), "in"), Argument("index", None, "scalar"), Argument("f32", (None, 7), "dest")),
    (Scratch("f16", ["mul", ["dim", 0, 0], 3]),),
    (
        Launch(
            "k_0",
            ["ceildiv", ["dim", 0, 0], 4],
            (Parameter("in0", "*fp32", 0, reads=True), Parameter("n", "i32", value=["dim", 0, 0])),
            4,
            2,
        ),
    ),
)


@pytest.mark.parametrize(
    ("operation", "a", "b", "expected"),
    [
        ("add", 3, 4, 7),
        ("mul", 1, ["dim", 0, 0], ["dim", 0, 0]),
        ("mul", ["dim", 0, 0], 0, 0),
        ("add", 0, ["dim", 0, 0], ["dim", 0, 0]),
        ("ceildiv", ["dim", 0, 0], 1, ["dim", 0, 0]),
        ("sub", 0, ["dim", 0, 0], ["sub", 0, ["dim", 0, 0]]),
        ("min", ["dim", 0, 0], 1, ["min", ["dim", 0, 0], 1]),
    ],
)
def test_make_folds_only_what_is_equal(operation: str, a: Expression, b: Expression, expected: Expression) -> None:
    assert make(operation, a, b) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("add", 20),
        ("sub", 14),
        ("mul", 51),
        ("floordiv", 5),
        ("ceildiv", 6),
        ("mod", 2),
        ("min", 3),
        ("max", 17),
    ],
)
def test_evaluate_knows_every_operation(operation: str, expected: int) -> None:
    assert evaluate([operation, dimension(0, 1), ["arg", 1]], [(5, 17), ()], [None, 3]) == expected


def test_product_of_nothing_is_one() -> None:
    assert product([]) == 1
    assert evaluate(product([dimension(0, 0), 3]), [(5,)], [None]) == 15


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ArtifactError, match="unknown operation 'shift'"):
        evaluate(["shift", 1, 2], [], [])


def test_plans_survive_json() -> None:
    assert KernelPlan.from_json(json.loads(json.dumps(PLAN.to_json()))) == PLAN


def test_plans_of_another_version_are_refused() -> None:
    with pytest.raises(ArtifactError, match="version 99, this program reads version 1"):
        KernelPlan.from_json({**PLAN.to_json(), "version": 99})


def test_damaged_plans_are_refused() -> None:
    data = PLAN.to_json()
    del data["launches"]
    with pytest.raises(ArtifactError, match="damaged"):
        KernelPlan.from_json(data)


def test_bind_evaluates_for_the_shapes_of_the_call() -> None:
    array = np.zeros((9, 7), np.float32)
    call = bind(PLAN, [array, 5, array])
    assert [b.grid for b in call.launches] == [3]
    assert call.launches[0].values == (None, 9)
    assert call.scratch == (9 * 3 * 2,)


def test_bind_names_wrong_counts_types_and_shapes() -> None:
    good, wrong_type = np.zeros((9, 7), np.float32), np.zeros((9, 7), np.float64)
    with pytest.raises(RuntimeInputError, match="takes 3 arguments, got 1"):
        bind(PLAN, [good])
    with pytest.raises(RuntimeInputError, match="argument 0 of kernel 'k' is float64, the kernel takes f32"):
        bind(PLAN, [wrong_type, 5, good])
    with pytest.raises(RuntimeInputError, match="is 9 x 8, the kernel was compiled for \\? x 7"):
        bind(PLAN, [np.zeros((9, 8), np.float32), 5, good])


def test_bind_refuses_extents_past_32_bits() -> None:
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (EXTENT_LIMIT, 7), (0, 0))
    with pytest.raises(RuntimeInputError, match=f"extent of {EXTENT_LIMIT}, the limit is {EXTENT_LIMIT}"):
        bind(PLAN, [huge, 5, huge])
