"""ONNX's node cases up to the `tensor` level, run by the reference interpreter: quick enough for every test run."""

from __future__ import annotations

from tests.conformance.compare import expect
from tests.conformance.suites import onnx_node

TITLE = "ONNX backend node tests, tensor level"
SOURCE = onnx_node.SOURCE
FLOOR = onnx_node.FLOOR

names = onnx_node.names


def run(name: str) -> None:
    from stratagem.compiler.frontends.onnx import load_onnx
    from stratagem.compiler.interpreter.api import emulate

    program = load_onnx(onnx_node.model(name), isolate=False)
    for given, wanted in onnx_node.data(name):
        expect(emulate(program, given), wanted)
