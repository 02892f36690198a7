"""Sizes that only the data decide: what fits runs, what does not is stopped before a kernel reads past its tensors."""

from __future__ import annotations

import numpy as np
import pytest

import stratagem as sg
from stratagem.runtime.bindings import ExecutionError
from tests.run.onnx.harness import floats, model_of


def test_a_computed_shape_must_keep_the_number_of_elements() -> None:
    reshape = "{ z = Reshape(x, w)  y = Relu(z) }"
    compiled = sg.compile(model_of(f"g (float[A,B] x, int64[3] w) => (float[P,Q,R] y) {reshape}"), target="cpu")
    x = floats(6, 7)
    got = compiled(x, np.array([7, 1, 6]))
    np.testing.assert_array_equal(got, np.maximum(x, 0).reshape(7, 1, 6))
    with pytest.raises(ExecutionError, match=r"dimension 0 does not split into \?x\?x\?"):
        compiled(x, np.array([7, 2, 6]))


def test_joined_tensors_must_agree_in_the_other_dimensions() -> None:
    compiled = sg.compile(model_of("g (float[A,B] x, float[C,D] z) => (float[E,B] y) { y = Concat<axis=0>(x, z) }"))
    x, z = floats(3, 5), floats(2, 5, seed=1)
    np.testing.assert_array_equal(compiled(x, z), np.concatenate([x, z]))
    with pytest.raises(ExecutionError, match="sizes do not fit together: dimension 1 and dimension 1"):
        compiled(x, floats(2, 4))
