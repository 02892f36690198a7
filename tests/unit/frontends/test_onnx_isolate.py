"""Imports in a worker process: same program, and a death of the worker is a message."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stratagem.compiler.frontends.isolate import report_stage, run_isolated
from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.ir import to_text
from stratagem.runtime.errors import ModelError, ResourceError, UnsupportedError


def die(number: int) -> None:
    report_stage("lowering to linalg")
    os.kill(os.getpid(), number)


def sleep() -> None:
    report_stage("reading the file")
    time.sleep(60)


def refuse() -> None:
    raise UnsupportedError("operator X", hint="use Y")


def allocate() -> int:
    return int(np.ones(2**29, np.uint8).sum())


def fail() -> None:
    raise RuntimeError("a library broke")


def echo(value: Any) -> Any:
    return [value, os.getpid()]


def test_result_comes_from_another_process(tmp_path: Path) -> None:
    value, pid = run_isolated(echo, {"value": {"a": [1, None]}}, what="m", folder=tmp_path)
    assert value == {"a": [1, None]} and pid != os.getpid()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_crash_names_stage_and_signal(tmp_path: Path, number: signal.Signals) -> None:
    with pytest.raises(ModelError, match=rf"m\.onnx: the importer crashed with {number.name} while lowering to linalg"):
        run_isolated(die, {"number": int(number)}, what="m.onnx", folder=tmp_path)


def test_killed_worker_suggests_memory(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="was killed while lowering"):
        run_isolated(die, {"number": int(signal.SIGKILL)}, what="m.onnx", folder=tmp_path)


def test_timeout_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"still reading the file after 2 s"):
        run_isolated(sleep, {}, what="m.onnx", folder=tmp_path, timeout=2)


def test_memory_limit(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"more memory than the 268435456 bytes allowed"):
        run_isolated(allocate, {}, what="m.onnx", folder=tmp_path, memory_limit=2**28)


def test_refusal_arrives_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"operator X\n  hint: use Y"):
        run_isolated(refuse, {}, what="m.onnx", folder=tmp_path)


def test_other_errors_give_their_last_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a library broke"):
        run_isolated(fail, {}, what="m.onnx", folder=tmp_path)


def model() -> onnx.ModelProto:
    """relu(x @ W + b) with a small b and a large W, and a folded constant above the limit."""
    rng = np.random.default_rng(0)
    constants = {"W": rng.standard_normal((300, 70)).astype(np.float32), "b": np.arange(70, dtype=np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["h"], name="fc"),
        helper.make_node("Neg", ["b"], ["c"], name="negate"),
        helper.make_node("Add", ["h", "c"], ["y"], name="bias"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 300])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(v, k) for k, v in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@pytest.mark.parametrize("form", ["path", "bytes", "proto"])
def test_isolated_import_gives_the_same_program(tmp_path: Path, form: str) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(model(), str(path))
    source = {"path": path, "bytes": path.read_bytes(), "proto": model()}[form]
    apart, here = load_onnx(source), load_onnx(source, isolate=False)
    assert to_text(apart.module) == to_text(here.module)
    assert list(apart.parameters) == list(here.parameters) == ["W", "c"]
    for name, array in here.parameters.items():
        assert np.array_equal(apart.parameters[name], array)
        assert apart.parameters[name].flags.aligned


def test_isolated_refusal_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    with pytest.raises(ModelError, match=rf"^{path}: the file is empty"):
        load_onnx(path)
