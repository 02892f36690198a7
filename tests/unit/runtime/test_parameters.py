"""The parameter store: names, alignment, and headers that lie."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from stratagem.runtime.errors import ModelError
from stratagem.runtime.parameters import ParameterStore


def store() -> ParameterStore:
    return ParameterStore(
        {
            "flags": np.array([True, False, True]),
            "weight": np.arange(15, dtype=np.float32).reshape(3, 5),
            "half": np.arange(7).astype(ml_dtypes.bfloat16),
            "scalar": np.array(2.5),
            "none": np.zeros((0, 4), np.int64),
        }
    )


def test_parameters_come_back_mapped(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    with path.open("wb") as file:
        file.write(b"z" * 64)
        store().write(file)
    loaded = ParameterStore.load(path, 64)
    assert set(loaded) == set(store())
    for name, array in store().items():
        assert loaded[name].dtype == array.dtype and loaded[name].shape == array.shape
        np.testing.assert_array_equal(loaded[name], array)
        assert not loaded[name].flags.writeable or array.size == 0


def test_the_layout_says_where_each_tensor_lies(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    with path.open("wb") as file:
        store().write(file)
    content = path.read_bytes()
    for name, (offset, size) in store().layout().items():
        assert content[offset : offset + size] == store()[name].tobytes()
        assert size == 0 or offset % store()[name].itemsize == 0


def test_the_file_is_what_other_readers_expect(tmp_path: Path) -> None:
    numpy_reader = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "p.safetensors"
    plain = ParameterStore({k: v for k, v in store().items() if k != "half"})
    with path.open("wb") as file:
        plain.write(file)
    for name, array in numpy_reader.load_file(path).items():
        np.testing.assert_array_equal(array, plain[name])


def test_taken_names_are_numbered() -> None:
    parameters = ParameterStore({"w": np.zeros(1)})
    assert [parameters.add("w", np.zeros(1)), parameters.add("w", np.zeros(1))] == ["w.1", "w.2"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 99]}}, "claims bytes 0..99"),
        ({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, "does not hold them|claims"),
        ({"w": {"dtype": "F9", "shape": [1], "data_offsets": [0, 1]}}, "dtype F9"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, header: object, message: str) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "p.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 16)
    with pytest.raises(ModelError, match=message):
        ParameterStore.load(path)


def test_a_huge_header_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="not a safetensors file"):
        ParameterStore.load(path)


def test_a_view_is_stored_with_its_source(tmp_path: Path) -> None:
    """The tensor of shape [3, 5, 2] is written once; its view of shape [2, 3, 5] comes back as one."""
    plain = np.arange(30, dtype=np.float32).reshape(2, 3, 5)
    parameters = ParameterStore({"w": plain, "b": np.ones(7, np.float32)})
    moved = parameters.add("w.moved", np.ascontiguousarray(plain.transpose(1, 2, 0)))
    parameters.set_view("w", moved, [2, 0, 1], plain.shape)
    assert parameters.nbytes == plain.nbytes + 28 and set(parameters.layout()) == {"b", "w.moved"}
    path = tmp_path / "p.safetensors"
    with path.open("wb") as file:
        parameters.write(file)
    loaded = ParameterStore.load(path)
    np.testing.assert_array_equal(loaded["w"], plain)
    assert np.shares_memory(loaded["w"], loaded["w.moved"])
    loaded.keep_only({"w"})
    assert loaded.nbytes == plain.nbytes and set(loaded.layout()) == {"w"}
    np.testing.assert_array_equal(loaded["w"], plain)


def test_a_view_may_group_dimensions_anew() -> None:
    """Panels of two columns, of shape [3, 5, 2], as the matrix of shape [5, 6] that they were cut from."""
    matrix = np.arange(30, dtype=np.int8).reshape(5, 6)
    parameters = ParameterStore({"w": matrix})
    panels = parameters.add("w.panels", np.ascontiguousarray(matrix.reshape(5, 3, 2).transpose(1, 0, 2)))
    parameters.set_view("w", panels, [1, 0, 2], [5, 6])
    assert "w" in parameters and list(parameters) == ["w.panels", "w"] and len(parameters) == 2
    np.testing.assert_array_equal(parameters["w"], matrix)


def test_a_view_has_the_values_it_replaces() -> None:
    moved = np.array([[0.0, np.nan], [1.0, 2.0]], np.float32)
    parameters = ParameterStore({"w": moved.T.copy(), "other": moved.T * np.float32(-1), "moved": moved})
    parameters.set_view("w", "moved", [1, 0], [2, 2])
    with pytest.raises(ModelError, match="'other' holds other values"):
        parameters.set_view("other", "moved", [1, 0], [2, 2])


def test_a_view_may_move_to_a_source_with_its_values() -> None:
    moved = np.arange(4, dtype=np.float32).reshape(2, 2)
    parameters = ParameterStore({"w": moved.T.copy(), "moved": moved, "panels": moved.copy(), "other": moved + 1})
    parameters.set_view("w", "moved", [1, 0], [2, 2])
    parameters.set_view("w", "panels", [1, 0], [2, 2])
    parameters.set_view("moved", "panels", [0, 1], [2, 2])
    np.testing.assert_array_equal(parameters["w"], moved.T)
    with pytest.raises(ModelError, match="'w' holds other values"):
        parameters.set_view("w", "other", [1, 0], [2, 2])


@pytest.mark.parametrize(
    ("name", "source", "order", "shape", "message"),
    [
        ("w", "absent", [0, 1], [3, 5], "'absent', which is not stored"),
        ("w", "w", [1, 0], [3, 5], "'w', which is not stored"),
        ("w", "weight", [0, 0], [3, 5], "cannot be 'weight' .3, 5. in order .0, 0."),
        ("w", "weight", [0], [3, 5], "in order .0."),
        ("w", "weight", [0, 1], [3, 4], "'w' .3, 4. cannot be 'weight' .3, 5."),
        ("w", "view", [0, 1], [5, 3], "'view', which is not stored"),
        ("weight", "flags", [0], [3], "others are views of it"),
    ],
)
def test_views_of_nothing_are_refused(name: str, source: str, order: list[int], shape: list[int], message: str) -> None:
    parameters = store()
    parameters.set_view("view", "weight", [1, 0], [5, 3])
    with pytest.raises(ModelError, match=message):
        parameters.set_view(name, source, order, shape)
