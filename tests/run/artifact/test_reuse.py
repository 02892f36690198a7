"""A model file compiled before is read back from the cache, and only then."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import stratagem as sg
from stratagem.api.reuse import SETTLED_NS
from stratagem.compiler import knobs

Array = np.ndarray[Any, Any]
X = np.arange(14, dtype=np.float32).reshape(2, 7)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path) -> Iterator[None]:
    with knobs.scope(cache=str(tmp_path / "cache"), reuse="on"):
        yield


def write(path: Path, factor: float, external: bool = False, age: float = 10.0) -> Path:
    """A model that multiplies by `factor`, in a file as old as `age` seconds."""
    weight = onnx.numpy_helper.from_array(np.full((1, 7), factor, np.float32), "w")
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 7]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Mul", ["x", "w"], ["y"])], "g", info[:1], info[1:], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    data = f"{path.name}.data"
    (path.parent / data).unlink(missing_ok=True)
    onnx.save_model(model, path, save_as_external_data=external, location=data, size_threshold=0)
    for file in (path, path.parent / data):
        if file.exists():
            settle(file, age)
    return path


def settle(path: Path, age: float = 10.0) -> None:
    then = time.time_ns() - int(age * 1e9)
    os.utime(path, ns=(then, then))


def compiled(path: Path, **options: Any) -> tuple[bool, Array]:
    """Whether the compile was reused, and the program's result."""
    model = sg.compile(path, target="cpu", **options)
    return model.compilation.reused, np.asarray(model(X))


def test_the_second_compile_is_read_back(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", 3.0)
    first, again = sg.compile(path), sg.compile(path)
    assert (first.compilation.reused, again.compilation.reused) == (False, True)
    np.testing.assert_array_equal(again(X), 3 * X)
    assert again.levels == first.levels and again.ir("device") == first.ir("device")
    assert again.report.verdict_line() == first.report.verdict_line()
    saved = again.save(tmp_path / "again.sgm")
    np.testing.assert_array_equal(sg.load(saved)(X)[0], 3 * X)


def test_other_bytes_are_another_model(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", 3.0)
    compiled(path)
    reused, result = compiled(write(path, 5.0))
    assert not reused
    np.testing.assert_array_equal(result, 5 * X)
    assert compiled(write(path, 3.0))[0]  # the first model again, written anew: its bytes count, not its times


def test_weights_beside_the_model_count(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", 3.0, external=True)
    compiled(path)
    assert compiled(path)[0]
    data = tmp_path / "m.onnx.data"
    data.write_bytes(np.full(7, 4.0, np.float32).tobytes())
    settle(data)
    reused, result = compiled(path)
    assert not reused
    np.testing.assert_array_equal(result, 4 * X)


def test_a_file_just_written_is_not_trusted_for_its_times(tmp_path: Path) -> None:
    assert SETTLED_NS > 1e9
    path = write(tmp_path / "m.onnx", 3.0, age=0.0)
    compiled(path)
    content, status = path.read_bytes(), path.stat()
    changed = content.replace(np.float32(3.0).tobytes(), np.float32(6.0).tobytes())
    assert len(changed) == len(content) and changed != content
    with path.open("r+b") as file:
        file.write(changed)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    reused, result = compiled(path)
    assert not reused
    np.testing.assert_array_equal(result, 6 * X)


def test_options_and_knobs_count(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", 3.0)
    compiled(path)
    assert not sg.compile(path, target="generic-sse").compilation.reused
    assert not sg.compile(path, until="device").compilation.reused
    for change in ({"reuse": "off"}, {"cache": "off"}, {"verify": "off"}, {"dump": str(tmp_path / "dump")}):
        with knobs.scope(**change):
            assert not compiled(path)[0], change
    assert compiled(path)[0]


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", 3.0)
    compiled(path)
    entries = [file for file in (tmp_path / "cache").glob("??/*") if file.read_bytes()[:2] == b"PK"]
    assert len(entries) == 1
    content = bytearray(entries[0].read_bytes())
    content[len(content) // 2] ^= 1
    entries[0].write_bytes(content)
    reused, result = compiled(path)
    assert not reused
    np.testing.assert_array_equal(result, 3 * X)
    assert compiled(path)[0]
