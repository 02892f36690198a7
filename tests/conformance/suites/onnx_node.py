"""ONNX's own cases for single operators (in the onnx package): some 1,900 models with inputs and results."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.conformance.compare import Array, expect

TITLE = "ONNX backend node tests"
SOURCE = "onnx.backend.test.case.node"
FLOOR = 0.85


@cache
def _cases() -> dict[str, Any]:
    from onnx.backend.test.case.node import collect_testcases

    return {case.name: case for case in collect_testcases(None)}


def names() -> list[str]:
    return list(_cases())


def run(name: str) -> None:
    import stratagem as sg
    from stratagem.compiler.frontends.onnx import load_onnx

    case = _cases()[name]
    takes = [value.name for value in case.model.graph.input]
    program = load_onnx(case.model, isolate=False)  # this is a worker process already
    executable = sg.compile(program, target="cpu")
    for inputs, wanted in case.data_sets:
        named = dict(zip(takes, map(_array, inputs), strict=False))
        expect(executable.executable(**named), [_array(value) for value in wanted])


def _array(value: Any) -> Array:
    import onnx

    return np.asarray(onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value)
