"""The suites. Each module has `TITLE`, `SOURCE`, `FLOOR` (the least share of passed cases, 0 to 1), `names()` and
`run(name)`, which returns when the case passes, raises ModelError or UnsupportedError when it is refused, Wrong when
results differ, and Excluded where the case says nothing about a compiler. Where one case may take longer than others
do, `SECONDS` says how long. Adding a suite is one module and a line here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

SUITES = {
    "onnx-node": "onnx_node",
    "stablehlo": "stablehlo",
    "stablehlo-dynamic": "stablehlo_dynamic",
    "stablehlo-quantized": "stablehlo_quantized",
    "jax-harness": "jax_harness",
    "jax-models": "jax_models",
    "onnx-files": "onnx_files",
    "opinfo": "opinfo",
    "torch-models": "torch_models",
}

CHECKS = {
    "onnx-node-interpreted": "onnx_node_interpreted",
}
"""Suites that run only when they are named: parts of the others by other means."""


def suite(name: str) -> Any:
    """The module of a suite."""
    return import_module(f"tests.conformance.suites.{(SUITES | CHECKS)[name]}")
