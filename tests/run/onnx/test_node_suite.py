"""ONNX's own test cases for single operators: each is right, or refused by name. None is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import emulate
from stratagem.runtime.errors import ModelError

pytestmark = pytest.mark.slow
SHARES = 8
LEAST_RIGHT = 0.6
"""Of all cases; the rest are strings, sequences, small floats, random numbers and results of unknown number."""


def cases() -> list[Any]:
    from onnx.backend.test.case.node import collect_testcases

    return [c for c in collect_testcases(None) if not c.name.startswith("test_ai_onnx_ml")]


def array(value: Any) -> Any:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def agrees(got: Any, want: Any) -> bool:
    if want.dtype.kind == "f":
        loose = 1e-2 if want.dtype.itemsize == 2 else 1e-4
        return got.shape == want.shape and bool(
            np.allclose(got.astype(np.float64), want.astype(np.float64), rtol=loose, atol=loose, equal_nan=True)
        )
    return got.shape == want.shape and bool((got.astype(np.int64) == want.astype(np.int64)).all())


def outcome(case: Any) -> str:
    """`right`, `refused`, or what is wrong."""
    try:
        program = load_onnx(case.model, isolate=False)
    except ModelError:
        return "refused"
    for inputs, outputs in case.data_sets:
        named = {v.name: array(i) for v, i in zip(case.model.graph.input, inputs, strict=False)}
        results = emulate(program, named)
        if not all(agrees(g, array(w)) for g, w in zip(results, outputs, strict=True)):
            return "wrong values"
    return "right"


@pytest.mark.parametrize("share", range(SHARES))
def test_every_case_is_right_or_refused(share: int) -> None:
    found = {case.name: outcome(case) for case in cases()[share::SHARES]}
    wrong = {name: what for name, what in found.items() if what not in ("right", "refused")}
    assert not wrong
    assert sum(what == "right" for what in found.values()) >= LEAST_RIGHT * len(found)
