"""The walk over protobuf's wire format that cuts large tensors out of a model."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from stratagem.compiler.frontends.onnx.wire import EMBEDDED, KEEP, skeleton
from stratagem.runtime.errors import ModelError


def model_with(count: int, raw: bool = True) -> onnx.ModelProto:
    array = np.arange(count, dtype=np.float32)
    weight = numpy_helper.from_array(array, "W") if raw else helper.make_tensor("W", TensorProto.FLOAT, [count], array)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [count])
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "W"], ["y"], name="add")],
        "g",
        [x],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [count])],
        [weight],
    )
    return helper.make_model(graph)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("count", [1, KEEP // 4, KEEP // 4 + 1, 10_007])
def test_large_values_become_notes_of_where_they_are(count: int, raw: bool) -> None:
    data = model_with(count, raw).SerializeToString()
    weight = onnx.ModelProto.FromString(skeleton(memoryview(data), "m")).graph.initializer[0]
    if count * 4 <= KEEP:
        assert np.array_equal(numpy_helper.to_array(weight), np.arange(count))
        return
    entries = {e.key: e.value for e in weight.external_data}
    begin = int(entries["offset"])
    found = np.frombuffer(data[begin : begin + int(entries["length"])], np.float32)
    assert weight.data_location == TensorProto.EXTERNAL and entries["location"] == EMBEDDED
    assert np.array_equal(found, np.arange(count))


def test_everything_else_stays() -> None:
    data = model_with(10_000).SerializeToString()
    small = onnx.ModelProto.FromString(skeleton(memoryview(data), "m"))
    whole = onnx.ModelProto.FromString(data)
    assert len(skeleton(memoryview(data), "m")) < 400
    assert small.graph.node == whole.graph.node and small.graph.input == whole.graph.input
    assert list(small.graph.initializer[0].dims) == [10_000]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    whole = bytearray(model_with(400).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        small = skeleton(memoryview(cut), "m")
    except ModelError:
        return
    assert len(small) <= len(cut) + 64


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    length, head = len(content), bytearray([number << 3 | 2])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    return bytes(head) + bytes([length]) + content


def test_deep_nesting_is_refused() -> None:
    graph = field(2, b"x" * 2 * KEEP)
    for _ in range(30):  # graph > node > attribute > graph
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(ModelError, match="nested deeper"):
        skeleton(memoryview(field(7, graph)), "m")
