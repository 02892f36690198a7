"""ONNX's own cases for single operators, run in worker processes: some 1,900 models, each loaded on its own."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
import onnx

import stratagem as sg
from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import emulate
from stratagem.runtime.errors import ModelError

Array = np.ndarray[Any, Any]
COMPILED = (
    "Cast",
    "Bit",
    "Quantize",
    "Dequantize",
    "DynamicQuantize",
    "QLinear",
    "MatMulInteger",
    "ConvInteger",
    "Mod",
)
"""What operators begin with whose cases also run as compiled code, besides all that touch unsigned integers."""


@cache
def cases() -> dict[str, Any]:
    """Name -> case, in the order of their collection."""
    from onnx.backend.test.case.node import collect_testcases

    return {c.name: c for c in collect_testcases(None) if not c.name.startswith("test_ai_onnx_ml")}


def array(value: Any) -> Array:
    return np.asarray(onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value)


def agrees(got: Array, want: Array) -> bool:
    """Same dtype, shape and values: exactly for integers, within a tolerance of the width for floats."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return False
    if want.dtype.kind in "iub":
        return bool((got == want).all())
    loose = 1e-2 if want.dtype.itemsize == 2 else 1e-4
    exact, found = want.astype(np.float64), got.astype(np.float64)
    return bool(np.allclose(found, exact, rtol=loose, atol=loose, equal_nan=True))


def outcome(name: str) -> tuple[str, bool]:
    """`right`, `refused`, or what is wrong; and whether compiled code was right, too."""
    case = cases()[name]
    try:
        program = load_onnx(case.model, isolate=False)
    except ModelError:
        return "refused", False
    takes = [v.name for v in case.model.graph.input]
    data = [
        (dict(zip(takes, map(array, inputs), strict=False)), list(map(array, outputs)))
        for inputs, outputs in case.data_sets
    ]
    found = _compare(lambda named: emulate(program, named), data)
    if found != "right" or not _compiles(case, data):
        return found, False
    executable = sg.compile(program, target="cpu")
    found = _compare(lambda named: executable.executable(**named), data)
    return (found, True) if found == "right" else (f"compiled code: {found}", False)


def _compare(run: Any, data: list[tuple[dict[str, Array], list[Array]]]) -> str:
    for named, wanted in data:
        try:
            results = run(named)
        except Exception as error:  # reported as the case's outcome, which then fails the test
            return f"raised {type(error).__name__}: {error}"
        if not all(agrees(got, want) for got, want in zip(results, wanted, strict=True)):
            return "wrong values"
    return "right"


def _compiles(case: Any, data: list[tuple[dict[str, Array], list[Array]]]) -> bool:
    if case.name.endswith("_expanded"):
        return False
    unsigned = any(a.dtype.kind == "u" for named, wanted in data for a in [*named.values(), *wanted])
    return unsigned or any(one.op_type.startswith(COMPILED) for one in case.model.graph.node)


def outcomes(names: list[str]) -> dict[str, tuple[str, bool]]:
    """The outcome of each case, by as many new processes as there are processors: a fork of this one would inherit the
    runtime without its threads.
    """
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return dict(zip(names, pool.map(outcome, names, chunksize=8), strict=True))
