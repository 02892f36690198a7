"""The suites. Each module has `TITLE`, `SOURCE`, `FLOOR` (the least share of passed cases, 0 to 1), `names()` and
`run(name)`, which returns when the case passes, raises ModelError or UnsupportedError when it is refused, Wrong when
results differ, and Excluded where the case says nothing about a compiler. Adding a suite is one module and a line here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

SUITES = {
    "onnx-node": "onnx_node",
    "opinfo": "opinfo",
    "torch-models": "torch_models",
}


def suite(name: str) -> Any:
    """The module of a suite."""
    return import_module(f"tests.conformance.suites.{SUITES[name]}")
