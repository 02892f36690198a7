"""Which other files hold weights of an ONNX file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from stratagem.compiler.frontends.onnx.read import graphs, read_model
from stratagem.compiler.frontends.onnx.wire import EMBEDDED


def external_files(path: Path) -> list[Path]:
    """The files that the model at `path` names, each once, in the order of their names.

    Raises what `read_model` raises.
    """
    model, _ = read_model(path)
    named = {
        entry.value
        for graph, _ in graphs(model.graph, "graph")
        for tensor in _tensors(graph)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location" and entry.value != EMBEDDED
    }
    return sorted(path.resolve().parent / name for name in named)


def _tensors(graph: Any) -> Iterator[Any]:
    """Initializers, those of sparse ones, and tensors in attributes of nodes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
