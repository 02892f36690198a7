"""Short ways to run one function of MLIR text."""

from __future__ import annotations

from typing import Any

import numpy as np

from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.ir import parse_module

Array = np.ndarray[Any, Any]


def results(signature: str, body: str, *inputs: Array, maps: str = "") -> list[Array]:
    """The float64 results of `func.func @main SIGNATURE { BODY }`."""
    return reference(parse_module(f"{maps}\nfunc.func @main{signature} {{\n{body}\n}}"), list(inputs))


def result(signature: str, body: str, *inputs: Array, maps: str = "") -> Array:
    (only,) = results(signature, body, *inputs, maps=maps)
    return only
