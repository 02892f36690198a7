"""Model files that are damaged, unsafe or unsupported, through the command line: one message, an exit code, no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.run.cli.conftest import Cli, write_model


def refused(cli: Cli, code: int, *parts: str) -> None:
    """Compiling m.onnx is refused, and the folder then holds what it held before."""
    before = sorted(p.name for p in Path().iterdir())
    cli("compile", "m.onnx").refused(code, *parts)
    assert sorted(p.name for p in Path().iterdir()) == before


def proto(weight: Any) -> Any:
    """x w, with any TensorProto as w."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")]
    graph = helper.make_graph(nodes, "net", [x], [y], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def weight() -> Any:
    return numpy_helper.from_array(np.ones((3, 5), np.float32), "w")


def test_empty(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    refused(cli, 3, "m.onnx", "the file is empty")


def test_cut_short(cli: Cli, tmp_path: Path) -> None:
    data = proto(weight()).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data[: len(data) // 2])
    refused(cli, 3, "m.onnx", "cut short")


@pytest.mark.parametrize("data", [b"PK\x03\x04" + bytes(90), b"this is prose, not a model", b"\xff" * 50])
def test_not_onnx(cli: Cli, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(data)
    refused(cli, 3, "m.onnx")


def test_huge_dimension(cli: Cli, tmp_path: Path) -> None:
    """2^40 rows are claimed, the file has 15 numbers: refused before memory is asked for."""
    bad = weight()
    bad.dims[0] = 2**40
    (tmp_path / "m.onnx").write_bytes(proto(bad).SerializeToString())
    refused(cli, 3, "w", str(2**40))


def test_cyclic_graph(cli: Cli, tmp_path: Path) -> None:
    model = proto(weight())
    node = model.graph.node[0]
    node.input[0] = "z"
    model.graph.node.append(helper.make_node("Relu", ["y"], ["z"], name="back"))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    refused(cli, 3, "m.onnx", "cycle", "product")


def test_name_that_is_not_text(cli: Cli, tmp_path: Path) -> None:
    data = proto(weight()).SerializeToString()
    assert data.count(b"product") == 1
    (tmp_path / "m.onnx").write_bytes(data.replace(b"product", b"pr\xff\xfeuct"))
    refused(cli, 3, "m.onnx", "UTF-8")


def test_unsupported_operator(cli: Cli, tmp_path: Path) -> None:
    model = proto(weight())
    model.graph.node[0].op_type = "Frobnicate"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    refused(cli, 3, "Frobnicate", "product")


def test_operator_of_another_domain(cli: Cli, tmp_path: Path) -> None:
    model = proto(weight())
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    refused(cli, 3, "com.example", "product")


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "a/../../secret"])
def test_external_data_outside_the_folder(cli: Cli, tmp_path: Path, place: str) -> None:
    bad = weight()
    bad.ClearField("raw_data")
    bad.data_location = TensorProto.EXTERNAL
    bad.external_data.add(key="location", value=place)
    (tmp_path / "m.onnx").write_bytes(proto(bad).SerializeToString())
    refused(cli, 3, place, "folder")


def test_external_data_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    bad = weight()
    bad.ClearField("raw_data")
    bad.data_location = TensorProto.EXTERNAL
    bad.external_data.add(key="location", value="weights.bin")
    (tmp_path / "m.onnx").write_bytes(proto(bad).SerializeToString())
    refused(cli, 3, "weights.bin")


def test_shapes_that_contradict(cli: Cli) -> None:
    write_model(Path("m.onnx"), "(float[5,13] x, float[14,17] w) => (float[5,17] y) {y = MatMul(x, w)}")
    refused(cli, 3, "m.onnx", "MatMul", "'y'")


@pytest.mark.parametrize("data", [b"", b"module {", b"\xff\xfe\x00\x01", b"ML\xefR" + bytes(30)])
def test_bad_stablehlo(cli: Cli, tmp_path: Path, data: bytes) -> None:
    for name in ("m.mlir", "m.mlirbc"):
        (tmp_path / name).write_bytes(data)
        cli("compile", name).refused(3, name)


def test_bad_torch_archive(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.pt2").write_bytes(b"not a zip")
    cli("compile", "m.pt2").refused(3, "m.pt2")


def test_file_nobody_may_read(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "m.onnx").touch()
    monkeypatch.setattr("stratagem.api.loading._onnx", denied)
    refused(cli, 2, "cannot read m.onnx: Permission denied")
