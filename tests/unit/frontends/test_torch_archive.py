"""`.pt2` files: read without unpickling; damaged and hostile ones refused with a reason."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from stratagem.compiler.frontends.torch import load_exported_program
from stratagem.compiler.frontends.torch_archive_text import (
    check_containers,
    check_expression,
    check_operator,
)
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import location_text, walk
from stratagem.compiler.signatures import signature_of
from stratagem.runtime.errors import ModelError, StratagemError, UnsupportedError, UsageError

Edit = Callable[[dict[str, bytes]], None]
PROGRAM = "m/models/model.json"
WEIGHTS = "m/data/weights/model_weights_config.json"


class Payload:
    """Unpickled, it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A model with a free batch, and the file it was saved to."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    path = tmp_path_factory.mktemp("pt2") / "m.pt2"
    torch.export.save(torch.export.export(model, (torch.randn(2, 4),), dynamic_shapes=shapes), path)
    return path, model


def edited(source: Path, target: Path, edit: Edit, compression: int = zipfile.ZIP_STORED) -> Path:
    """A copy of an archive with some members changed."""
    with zipfile.ZipFile(source) as file:
        members = {name: file.read(name) for name in file.namelist()}
    edit(members)
    with zipfile.ZipFile(target, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return target


def changing(member: str, change: Callable[[Any], None]) -> Edit:
    """An edit of one JSON member."""

    def edit(members: dict[str, bytes]) -> None:
        content = json.loads(members[member])
        change(content)
        members[member] = json.dumps(content).encode()

    return edit


def test_a_saved_program_gives_the_models_values(saved: tuple[Path, Any]) -> None:
    path, model = saved
    program = load_exported_program(path)
    assert signature_of(program.module).inputs[0].shape == (None, 4)
    assert sorted(program.parameters) == ["0.bias", "0.weight"]
    x = torch.randn(5, 4)
    np.testing.assert_allclose(emulate(program, [x.numpy()])[0], model(x).detach().numpy(), 1e-5, 1e-6)


def linalg_places(path: Path) -> set[str]:
    program = load_exported_program(path)
    return {location_text(op) for op in walk(program.module.operation) if op.name.startswith("linalg.")}


def test_paths_of_modules_are_read(saved: tuple[Path, Any]) -> None:
    assert {"0", "1"} <= linalg_places(saved[0])


@pytest.mark.parametrize("text", ["", "a", "a,b", "a,b(),c", "a,b,c;", "a,[b,c", "L,0,os.path;x,'y',z", 7, None])
def test_paths_of_another_form_are_not(saved: tuple[Path, Any], tmp_path: Path, text: Any) -> None:
    """Metadata decide nothing but locations: the program is read without them."""

    def change(content: Any) -> None:
        for node in content["graph_module"]["graph"]["nodes"]:
            node["metadata"]["nn_module_stack"] = text

    assert not {"0", "1"} & linalg_places(edited(saved[0], tmp_path / "m.pt2", changing(PROGRAM, change)))


def test_example_inputs_are_never_unpickled(saved: tuple[Path, Any], tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    def edit(members: dict[str, bytes]) -> None:
        members["m/data/sample_inputs/model.pt"] = pickle.dumps(Payload(trace))

    load_exported_program(edited(saved[0], tmp_path / "m.pt2", edit))
    assert not trace.exists()


def test_pickled_weights_are_refused_unread(saved: tuple[Path, Any], tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    def edit(members: dict[str, bytes]) -> None:
        changing(WEIGHTS, lambda c: c["config"]["0.bias"].update(use_pickle=True))(members)
        buffer = io.BytesIO()
        torch.save(Payload(trace), buffer)
        members["m/data/weights/weight_1"] = buffer.getvalue()

    with pytest.raises(ModelError, match=r"'0\.bias' is stored as a pickle"):
        load_exported_program(edited(saved[0], tmp_path / "m.pt2", edit))
    assert not trace.exists()


def first_target(content: Any) -> None:
    content["graph_module"]["graph"]["nodes"][0]["target"] = "torch.hub.load"


def first_expression(content: Any) -> None:
    sizes = content["graph_module"]["graph"]["tensor_values"]["input"]["sizes"]
    sizes[0]["as_expr"]["expr_str"] = "__import__('os').mkdir('x')"


def custom_object(content: Any) -> None:
    content["graph_module"]["graph"]["custom_obj_values"] = {"a": {"name": "a", "class_fqn": "b"}}


def container(content: Any) -> None:
    signature = content["graph_module"]["module_call_graph"][0]["signature"]
    signature["out_spec"] = signature["out_spec"].replace("null", '"os.stat_result"', 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (first_target, "'torch.hub.load', which is not an operator"),
        (first_expression, "size expression"),
        (custom_object, "custom objects"),
        (container, "an input or output is a os.stat_result"),
        (lambda c: c["schema_version"].update(major=99), "cannot be read: SerializeError"),
        (lambda c: c.pop("graph_module"), "cannot be read"),
    ],
)
def test_unsafe_or_broken_programs(
    saved: tuple[Path, Any], tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load_exported_program(edited(saved[0], tmp_path / "m.pt2", changing(PROGRAM, change)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files(saved: tuple[Path, Any], tmp_path: Path, share: float) -> None:
    data = saved[0].read_bytes()
    path = tmp_path / "cut.pt2"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match=r"not a torch\.export archive.*\n.*may be cut short"):
        load_exported_program(path)


def test_files_of_other_kinds(saved: tuple[Path, Any], tmp_path: Path) -> None:
    text, state = tmp_path / "text.pt2", tmp_path / "state.pt2"
    text.write_text("not a zip")
    torch.save({"a": torch.ones(2)}, state)
    with pytest.raises(ModelError, match=r"not a torch\.export archive"):
        load_exported_program(text)
    with pytest.raises(ModelError, match=r"a zip, but not a torch\.export archive"):
        load_exported_program(state)
    with pytest.raises(UsageError, match="there is no file"):
        load_exported_program(tmp_path / "absent.pt2")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.update({"m/../../evil": b""}), "unsafe path"),
        (lambda m: m.update({"/evil": b""}), "unsafe path"),
        (lambda m: m.pop(PROGRAM), "0 programs"),
        (lambda m: m.update({"m/archive_version": b"7"}), "archive version 7"),
        (lambda m: m.pop(WEIGHTS), "old pickled form"),
        (lambda m: m.update({"m/data/weights/weight_0": b"123"}), "needs 48 bytes, the archive holds 3"),
    ],
)
def test_broken_containers(saved: tuple[Path, Any], tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_exported_program(edited(saved[0], tmp_path / "m.pt2", edit))


def test_compressed_members(saved: tuple[Path, Any], tmp_path: Path) -> None:
    path = edited(saved[0], tmp_path / "m.pt2", lambda m: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="is compressed"):
        load_exported_program(path)


@pytest.mark.parametrize(
    "text",
    [
        "s0",
        "2*s0 + 1",
        "Symbol('s77', positive=True, integer=True)",
        "Max(s0, FloorDiv(s1, 2))",
        "s0**2",
        "Float('1.5')",
    ],
)
def test_sizes_that_are_expressions(text: str) -> None:
    check_expression(text, "f")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "s0.__class__",
        "open('x')",
        "[1]",
        "lambda: 0",
        "s0; s1",
        "'a b'",
        "9**9**9",
        "eval(s0)",
        "x" * 5000,
        3,
    ],
)
def test_sizes_that_are_not(text: Any) -> None:
    with pytest.raises(ModelError, match="size expression"):
        check_expression(text, "f")


def test_operators() -> None:
    for good in (
        "torch.ops.aten.add.Tensor",
        "torch.ops.aten.__and__.Tensor",
        "_operator.mul",
        "torch.sym_max",
    ):
        check_operator(good, "f")
    for bad in (
        "torch.load",
        "torch.ops.mine.op",
        "#ext",
        "_operator.__class__.x",
        "torch.ops.aten.__class__",
        None,
    ):
        with pytest.raises(UnsupportedError, match="not an operator of PyTorch"):
            check_operator(bad, "f")


def test_containers() -> None:
    leaf: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
    tree = {"type": "builtins.dict", "context": '["a"]', "children_spec": [leaf]}
    check_containers(json.dumps([1, tree]), "f")
    with pytest.raises(StratagemError, match=r"collections\.defaultdict"):
        check_containers(json.dumps([1, {**tree, "type": "collections.defaultdict"}]), "f")
