"""Writes ONNX nodes one by one, each under a fresh name: what rewrites are made with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stratagem.compiler.frontends.constants import Array
from stratagem.compiler.frontends.onnx.graph import Graph, node


@dataclass
class Writer:
    """Collects nodes; every method returns the name of the value it made. `label` is their origin."""

    graph: Graph
    label: str
    nodes: list[Any] = field(default_factory=list)

    def op(self, kind: str, *inputs: str, **given: Any) -> str:
        """A node with one output."""
        out = self.graph.new_name(f"{self.label}/{kind}")
        self.nodes.append(node(kind, inputs, [out], self.label, **given))
        return out

    def const(self, array: Array) -> str:
        return self.graph.add_constant(f"{self.label}/constant", array)

    def ints(self, *values: int) -> str:
        """A vector of int64."""
        return self.const(np.array(values, np.int64))

    def index(self, value: int) -> str:
        """A scalar int64."""
        return self.const(np.array(value, np.int64))

    def slice(self, value: str, axis: int, begin: int, end: int) -> str:
        return self.op("Slice", value, self.ints(begin), self.ints(end), self.ints(axis))

    def into(self, kind: str, inputs: list[str], output: str, **given: Any) -> None:
        """A node that makes the value `output`."""
        self.nodes.append(node(kind, inputs, [output], self.label, **given))
