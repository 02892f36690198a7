"""From a path, bytes or a ModelProto to a small message plus its weights; everything unsafe or damaged stops
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]

from stratagem.compiler.frontends.onnx.weights import Weights, checked_count, map_file
from stratagem.compiler.frontends.onnx.wire import skeleton
from stratagem.runtime.errors import ModelError, UnsupportedError, UsageError

Source = Any
"""A path, the file's bytes, or an onnx.ModelProto."""

NO_FOLDER = "\0"
"""As `folder`: the model has none, external data is refused."""
STANDARD_DOMAINS = ("", "ai.onnx")
OLDEST_OPSET = 7
"""Older operator sets had other broadcasting rules, which onnx's own converter does not know either."""


def read_model(source: Source, folder: str | Path | None = None, label: str = "") -> tuple[Any, Weights]:
    """Reads and checks a model. Returns it without its large tensors' bytes, and the reader of these.

    Args:
        source: path of a model, its bytes, or a ModelProto (which is not changed).
        folder: where external data must lie; by default the folder of a model given as a path.

    Raises UsageError for a missing file, ModelError for a damaged or unsafe one, UnsupportedError for
    versions unknown.
    """
    data, place, name = _bytes_of(source)
    name = label or name
    where = None if folder == NO_FOLDER else Path(folder) if folder is not None else place
    small = skeleton(memoryview(data), name)
    try:
        model = onnx.ModelProto.FromString(small)
    except DecodeError:
        raise ModelError(f"{name}: not an ONNX model: protobuf cannot read it") from None
    if not model.HasField("graph"):
        raise ModelError(f"{name}: not an ONNX model: it has no graph")
    _check_versions(model, name)
    for graph, path in graphs(model.graph, "graph"):
        _check_names(graph, name, path)
        _check_types(graph, name)
    weights = Weights(data, where, name)
    if place is not None:
        weights.maps[Path(source).resolve()] = data
    return model, weights


def _bytes_of(source: Source) -> tuple[Any, Path | None, str]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return np.frombuffer(source, np.uint8), None, "model"
    if isinstance(source, onnx.ModelProto):
        return np.frombuffer(serialised(source), np.uint8), None, source.graph.name or "model"
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"{path}: no such model file")
    return map_file(path), path.resolve().parent, str(path)


def serialised(model: Any) -> bytes:
    """A ModelProto as bytes; raises ModelError when it is too large for protobuf or not a model."""
    try:
        return bytes(model.SerializeToString())
    except (AttributeError, ValueError, DecodeError, EncodeError) as error:
        raise ModelError(f"the model cannot be serialised: {error}", hint="pass the path of its file instead") from None


def _check_versions(model: Any, name: str) -> None:
    if not 1 <= model.ir_version <= onnx.IR_VERSION:
        raise UnsupportedError(
            f"{name}: IR version {model.ir_version} is not known",
            hint=f"this onnx package reads versions 1 to {onnx.IR_VERSION}",
        )
    versions = [o.version for o in model.opset_import if o.domain in STANDARD_DOMAINS]
    if not versions and model.graph.node:
        raise ModelError(f"{name}: the model does not say which ONNX operator set it uses")
    newest = onnx.defs.onnx_opset_version()
    for version in versions:
        if not OLDEST_OPSET <= version <= newest:
            raise UnsupportedError(
                f"{name}: operator set {version} is not supported, only {OLDEST_OPSET} to {newest}",
                hint="export the model again with operator set 21",
            )


def graphs(graph: Any, path: str) -> Iterator[tuple[Any, str]]:
    """The graph and all graphs inside its nodes' attributes, each with the way to it."""
    yield graph, path
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
            for one in inner:
                yield from graphs(one, f"{path}/{node.name}.{attribute.name}")


def _check_names(graph: Any, name: str, path: str) -> None:
    for where, text in _texts(graph):
        if isinstance(text, bytes):
            raise ModelError(f"{name}: {where} in {path} is not UTF-8 text: {text[:40]!r}")


def _texts(graph: Any) -> Iterator[tuple[str, Any]]:
    yield "the graph's name", graph.name
    for i, node in enumerate(graph.node):
        yield from ((f"node {i}'s {key}", getattr(node, key)) for key in ("name", "op_type", "domain"))
        yield from ((f"an input of node {i}", text) for text in node.input)
        yield from ((f"an output of node {i}", text) for text in node.output)
        yield from ((f"an attribute name of node {i}", a.name) for a in node.attribute)
    for key in ("input", "output", "initializer", "value_info"):
        yield from ((f"the name of {key} {i}", v.name) for i, v in enumerate(getattr(graph, key)))


def _check_types(graph: Any, name: str) -> None:
    for value in [*graph.input, *graph.output]:
        if value.type.HasField("tensor_type"):
            sizes = [d.dim_value for d in value.type.tensor_type.shape.dim if d.dim_value > 0]
            checked_count(sizes, f"{name}: '{value.name}'")
