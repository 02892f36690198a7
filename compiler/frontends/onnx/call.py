"""What a lowering gets to see of the opaque call it replaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stratagem.compiler.frontends.onnx.emit import Opaque
from stratagem.compiler.frontends.onnx.graph import Dim, attributes


@dataclass
class Call:
    """One call to replace: operands by the node's input position (None where left out), then the values its
    bodies capture; and the result types wanted."""

    opaque: Opaque
    operands: list[Any]
    types: list[Any]
    module: Any
    location: Any

    @property
    def node(self) -> Any:
        return self.opaque.node

    def attributes(self) -> dict[str, Any]:
        return attributes(self.node)

    def shape(self, position: int) -> tuple[Dim, ...]:
        """What is known of an input's shape."""
        return self.opaque.graph.shape_of(self.node.input[position]) or ()


Lowering = Callable[[Call], Sequence[Any]]
