"""Imports an ONNX model and runs it, by the reference interpreter and by onnxruntime, on the same inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser

from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import emulate

HEADER = '<ir_version: 10, opset_import: ["" : 21]>'
Array = np.ndarray[Any, Any]


def model_of(text: str) -> Any:
    """A ModelProto from ONNX's text form, without its header."""
    return onnx.parser.parse_model(HEADER + text)


def check(model: Any, inputs: dict[str, Array], **given: Any) -> Any:
    """Asserts that the program gives onnxruntime's results; returns the program."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = session.run(None, inputs)
    program = load_onnx(model, isolate=False, **given)
    for got, want in zip(emulate(program, inputs), wanted, strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)
    return program


def floats(*shape: int, seed: int = 0) -> Array:
    """Normal random numbers, float32, the same for equal arguments."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
