"""Damaged, unsafe and unsupported ONNX models: each is refused with a message that says what and where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.runtime.errors import ModelError, StratagemError, UnsupportedError, UsageError

OPSET = [helper.make_opsetid("", 21)]


def model(nodes: list[Any], initializers: list[Any] | None = None, shape: list[Any] | None = None, **given: Any) -> Any:
    """A model with input x and output y, both float32."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 512] if shape is None else shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [x], [y], initializers or [])
    return helper.make_model(graph, **{"opset_imports": OPSET, "ir_version": 10, **given})


def relu(source: str = "x", result: str = "y", name: str = "act") -> Any:
    return helper.make_node("Relu", [source], [result], name=name)


def linear(**changes: Any) -> Any:
    """x @ W with a W of 512 x 3; `changes` are set on its TensorProto."""
    weight = numpy_helper.from_array(np.ones((512, 3), np.float32), "W")
    for key, value in changes.items():
        if key == "dims":
            del weight.dims[:]
            weight.dims.extend(value)
        else:
            setattr(weight, key, value)
    return model([helper.make_node("MatMul", ["x", "W"], ["y"], name="fc")], [weight])


def refusal(source: Any, kind: type[StratagemError] = ModelError, **given: Any) -> str:
    with pytest.raises(kind) as caught:
        load_onnx(source, isolate=False, **given)
    return str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    assert "no such model file" in refusal(tmp_path / "none.onnx", UsageError)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    assert f"{path}: the file is empty" in refusal(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file(tmp_path: Path, share: float) -> None:
    data = linear().SerializeToString()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(len(data) * share)])
    message = refusal(path)
    assert "cut short" in message and "copy or download the file again" in message


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04" + bytes(100), b"\x00" * 64, b"not a model at all, just text", b"\xff" * 40]
)
def test_not_protobuf(data: bytes) -> None:
    assert "not an ONNX model" in refusal(data) or "cut short" in refusal(data)


def test_a_message_of_another_kind_has_no_graph() -> None:
    assert "it has no graph" in refusal(onnx.ModelProto(ir_version=10, producer_name="tool").SerializeToString())
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [2], [1.0, 2.0])
    assert "protobuf cannot read it" in refusal(tensor.SerializeToString())


def test_weight_with_fewer_bytes_than_its_shape() -> None:
    assert "shape [512, 4] and type float32 needs 8192 bytes, the model holds 6144" in refusal(linear(dims=[512, 4]))


def test_weight_with_negative_size() -> None:
    assert "has size -3 in its shape" in refusal(linear(dims=[512, -3]))


def test_weight_of_impossible_size() -> None:
    message = refusal(linear(dims=[2**31, 2**31]))
    assert "elements, more than the" in message


def test_input_of_impossible_size() -> None:
    assert "'x' of shape [1099511627776, 16]" in refusal(model([relu()], shape=[2**40, 16]))


def test_computed_value_of_impossible_size_is_not_computed() -> None:
    size = numpy_helper.from_array(np.array([2**31, 2**31], np.int64), "size")
    huge = helper.make_node("ConstantOfShape", ["size"], ["huge"], name="huge")
    total = helper.make_node("ReduceSum", ["huge"], ["y"], name="sum", keepdims=0)
    assert "more than the" in refusal(model([huge, total], [size]))


def test_cycle_names_its_nodes() -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="first"),
        relu("a", "b", "second"),
        relu("b", "y"),
    ]
    message = refusal(model(nodes))
    assert "cycle" in message and "Add 'first'" in message and "Relu 'second'" in message


def test_value_that_nothing_computes() -> None:
    assert "Relu 'act' reads 'ghost', which nothing computes" in refusal(model([relu("ghost")]))


def test_value_computed_twice() -> None:
    assert "'y' is computed twice" in refusal(model([relu(name="one"), relu(name="two")]))


def test_output_that_nothing_computes() -> None:
    assert "output 'y' is computed by no node" in refusal(model([relu(result="z")]))


def test_name_that_is_not_utf8() -> None:
    data = model([relu(name="AAAA")]).SerializeToString().replace(b"AAAA", b"\xff\xfe\xfd\xfc")
    assert "node 0's name in graph is not UTF-8 text" in refusal(data)


def test_unknown_ir_version() -> None:
    assert "IR version 99 is not known" in refusal(model([relu()], ir_version=99), UnsupportedError)


@pytest.mark.parametrize("version", [3, 999])
def test_unknown_operator_set(version: int) -> None:
    message = refusal(model([relu()], opset_imports=[helper.make_opsetid("", version)]), UnsupportedError)
    assert f"operator set {version} is not supported" in message


def test_model_without_operator_set() -> None:
    stated = model([relu()])
    del stated.opset_import[:]
    assert "does not say which ONNX operator set" in refusal(stated)


def test_misspelt_operator_names_the_nearest() -> None:
    message = refusal(model([helper.make_node("MatMull", ["x", "x"], ["y"], name="m")]))
    assert "MatMull 'm'" in message and "nearest: MatMul" in message


def test_operator_of_another_domain() -> None:
    node = helper.make_node("FusedConv", ["x"], ["y"], name="f", domain="com.example")
    message = refusal(model([node], opset_imports=[*OPSET, helper.make_opsetid("com.example", 1)]), UnsupportedError)
    assert "operator com.example::FusedConv of node 'f'" in message


def test_unsupported_operator_names_operator_node_and_nearest_form() -> None:
    nodes = [helper.make_node("Unique", ["x"], ["d"], name="distinct"), relu("d")]
    message = refusal(model(nodes), UnsupportedError)
    assert "operator Unique of node 'distinct'" in message
    assert "nearest supported form: a fixed number of values" in message


def test_element_type_outside_the_contract() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.STRING, [2])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "net",
        [x],
        [helper.make_tensor_value_info("y", TensorProto.STRING, [2])],
    )
    message = refusal(helper.make_model(graph, opset_imports=OPSET, ir_version=10), UnsupportedError)
    assert "'x' has element type string" in message


def external(folder: Path, location: str, offset: str = "0", length: str = "6144") -> Path:
    """linear() with W in an external file; writes only the model."""
    proto = linear()
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        weight.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def data_file(path: Path, count: int = 512 * 3) -> None:
    path.write_bytes(np.arange(count, dtype=np.float32).tobytes())


def test_external_data_beside_the_model_is_mapped(tmp_path: Path) -> None:
    data_file(tmp_path / "w.bin")
    program = load_onnx(external(tmp_path, "w.bin"), isolate=False)
    assert np.array_equal(program.parameters["W"].reshape(-1), np.arange(512 * 3, dtype=np.float32))
    assert not program.parameters["W"].flags.writeable


@pytest.mark.parametrize("location", ["../w.bin", "sub/../../w.bin", "/etc/hostname"])
def test_external_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    data_file(tmp_path / "w.bin")
    assert f"points outside the model's folder: '{location}'" in refusal(external(inner, location))


def test_link_that_leaves_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    data_file(tmp_path / "w.bin")
    os.symlink(tmp_path / "w.bin", inner / "w.bin")
    assert "points outside the model's folder" in refusal(external(inner, "w.bin"))


def test_missing_external_data(tmp_path: Path) -> None:
    assert "needs the file 'w.bin'" in refusal(external(tmp_path, "w.bin"))


def test_external_data_without_a_file_is_not_the_model_itself(tmp_path: Path) -> None:
    assert "'W' lies in an external file without a name" in refusal(external(tmp_path, "", "2", "6144"))
    proto = onnx.load(external(tmp_path, "w.bin"), load_external_data=False)
    del proto.graph.initializer[0].external_data[0]
    assert "'W' lies in an external file without a name" in refusal(proto)


def test_external_data_of_a_model_without_a_folder(tmp_path: Path) -> None:
    data_file(tmp_path / "w.bin")
    data = external(tmp_path, "w.bin").read_bytes()
    assert "given without a folder" in refusal(data)
    assert "W" in load_onnx(data, folder=tmp_path, isolate=False).parameters


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        ("4", "6144", "claims bytes 4..6148 of w.bin, which has 6144"),
        ("0", "6143", "needs 6144 bytes, the model holds 6143"),
        ("-8", "6144", "offset '-8', which is not a number of bytes"),
        ("99999999999999999999", "6144", "is not a number of bytes"),
    ],
)
def test_external_data_of_wrong_size(tmp_path: Path, offset: str, length: str, expected: str) -> None:
    data_file(tmp_path / "w.bin")
    assert expected in refusal(external(tmp_path, "w.bin", offset, length))


def test_shapes_that_do_not_fit() -> None:
    weight = numpy_helper.from_array(np.ones((7, 3), np.float32), "W")
    message = refusal(model([helper.make_node("MatMul", ["x", "W"], ["y"], name="fc")], [weight]))
    assert "'y' has no known rank" in message and "Incompatible dimensions" in message


def test_fixed_shape_for_an_input_that_is_not_there() -> None:
    assert "there is no input 'z'" in refusal(model([relu()]), UsageError, input_shapes={"z": [1]})
    assert "cannot have the shape [2, 3]" in refusal(model([relu()]), UsageError, input_shapes={"x": [2, 3]})


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (helper.make_node("Concat", ["x", "x"], ["y"], name="join"), "Concat 'join' lacks the attribute 'axis'"),
        (helper.make_node("Relu", ["x", "x"], ["y"], name="act"), "Relu 'act' has 2 inputs, it takes 1 to 1"),
        (helper.make_node("Relu", ["x"], [""], name="act"), "Relu 'act' computes nothing"),
        (helper.make_node("Concat", ["x"], ["y"], axis="1"), "attribute 'axis' is not of type int"),
    ],
)
def test_node_that_is_not_as_its_operator_says(node: Any, expected: str) -> None:
    assert expected in refusal(model([node]))
