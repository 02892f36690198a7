"""Graph networks of PyTorch Geometric: features of nodes and a list of edges, both of free number."""

from __future__ import annotations

from typing import Any

import torch

from tests.conformance.models import Model, model
from tests.conformance.models.plain import FREE


def _network(name: str, kind: str, **options: Any) -> None:
    @model(name, "torch_geometric")
    def build() -> Model:
        import torch_geometric.nn as layers

        args = (torch.randn(30, 16), torch.randint(0, 30, (2, 90)))
        return Model(getattr(layers, kind)(16, 32, 2, 7, **options), args, ({0: FREE}, {1: FREE}))


_network("gcn", "GCN", add_self_loops=False)
_network("gcn_selfloops", "GCN")
_network("graphsage", "GraphSAGE")
_network("gin", "GIN")
