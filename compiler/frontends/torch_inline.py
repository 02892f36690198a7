"""A Python function of tensors, written into an exported graph in place of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from torch import fx
from torch._subclasses import FakeTensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree


def inline(like: fx.Node, function: Callable[..., Any], operands: Any, table: Mapping[Any, Any]) -> Any:
    """Traces `function(*operands)` and copies what it calls to the graph's insertion point.

    `operands` is a pytree of nodes and Python values; the result has the function's containers, with nodes for tensors.
    New nodes have the source location of `like`. `table` holds the decompositions to apply.
    """
    leaves, structure = pytree.tree_flatten(operands)
    nodes = [leaf for leaf in leaves if isinstance(leaf, fx.Node)]
    returned: list[Any] = []

    def on_tensors(*values: Any) -> Any:
        given = iter(values)
        whole = [next(given) if isinstance(leaf, fx.Node) else leaf for leaf in leaves]
        results, shape = pytree.tree_flatten(function(*pytree.tree_unflatten(whole, structure)))
        returned[:] = [shape]
        return results

    examples = [node.meta["val"] for node in nodes]
    mode = next((v.fake_mode for v in examples if isinstance(v, FakeTensor)), nullcontext())
    with mode:  # so that tensors made by `function` are fake, too
        traced = make_fx(on_tensors, decomposition_table=dict(table))(*examples)
    return pytree.tree_unflatten(_copy(like, traced, nodes), returned[0])


def _copy(like: fx.Node, traced: fx.GraphModule, nodes: list[fx.Node]) -> list[Any]:
    given, copies = iter(nodes), {}
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            copies[node] = next(given)
        elif node.op == "output":
            return [copies[r] if isinstance(r, fx.Node) else r for r in pytree.tree_leaves(node.args[0])]
        elif node.op == "get_attr":
            raise NotImplementedError(f"a constant tensor in {traced}")
        else:
            copies[node] = like.graph.node_copy(node, lambda n: copies[n])
            copies[node].meta = {**node.meta, "stack_trace": like.meta.get("stack_trace")}
    return []
