"""ONNX's own cases for single operators (in the onnx package): some 1,900 models with inputs and results.

All of them count, also those of other domains (`ai.onnx.ml`, `ai.onnx.preview`), with strings or with sequences: what
is not supported is refused. Those that draw random numbers have no fixed answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from tests.conformance.compare import Array, expect
from tests.conformance.outcome import Excluded

TITLE = "ONNX backend node tests"
SOURCE = "onnx.backend.test.case.node"
FLOOR = 0.85
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")


@cache
def _cases() -> dict[str, Any]:
    from onnx.backend.test.case.node import collect_testcases

    return {case.name: case for case in collect_testcases(None)}


def names() -> list[str]:
    return list(_cases())


def run(name: str) -> None:
    import stratagem as sg
    from stratagem.compiler.frontends.onnx import load_onnx

    program = load_onnx(model(name), isolate=False)  # this is a worker process already
    executable = sg.compile(program, target="cpu")
    for given, wanted in data(name):
        expect(executable.executable(**given), wanted)


def model(name: str) -> Any:
    """The ModelProto of a case. Raises Excluded where it draws random numbers."""
    case = _cases()[name]
    drawing = {node.op_type for node in case.model.graph.node}.intersection(_RANDOM)
    if drawing or _drops_out(name):
        raise Excluded("its results are random numbers")
    return case.model


def _drops_out(name: str) -> bool:
    """Whether a Dropout in training mode drops some of its input: which, the generator of one implementation says."""
    for node in _cases()[name].model.graph.node:
        if node.op_type != "Dropout" or len(node.input) < 3 or not node.input[2]:
            continue
        ratio, training = (_given(name, node.input[i], default) for i, default in ((1, 0.5), (2, False)))
        if training and ratio:
            return True
    return False


def _given(name: str, value: str, default: Any) -> Any:
    return next(data(name))[0].get(value, np.array(default)).item() if value else default


def data(name: str) -> Iterator[tuple[dict[str, Array], list[Array]]]:
    """Inputs by name, and the results in order."""
    case = _cases()[name]
    takes = [value.name for value in case.model.graph.input]
    for inputs, outputs in case.data_sets:
        yield dict(zip(takes, map(_array, inputs), strict=False)), [_array(value) for value in outputs]


def on_integers(name: str) -> bool:
    """Whether a case is about the sign and width of integers: unsigned ones, shifts, remainders, quantization."""
    graph = _cases()[name].model.graph
    operators = [node.op_type for node in graph.node]
    elements = {value.type.tensor_type.elem_type for value in [*graph.input, *graph.output]}
    concerned = any(kind.startswith(_ON_INTEGERS) for kind in operators) or bool(elements & _UNSIGNED)
    return concerned and not name.endswith("_expanded")


_UNSIGNED = {2, 4, 12, 13}
"""ONNX's numbers of uint8, uint16, uint32 and uint64."""
_ON_INTEGERS = ("Bit", "Quantize", "Dequantize", "DynamicQuantize", "QLinear", "MatMulInteger", "ConvInteger", "Mod")


def _array(value: Any) -> Array:
    import onnx

    return np.asarray(onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value)
