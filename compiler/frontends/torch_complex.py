"""Complex tensors as pairs of real ones: the tensor level has no complex numbers.

An input or output that is complex becomes a real one with a last dimension of 2, the real and the imaginary part, as
`torch.view_as_real` has it.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx
from torch.fx.passes.shape_prop import _extract_tensor_metadata
from torch.utils import _pytree as pytree

from stratagem.compiler.frontends.torch_complex_rules import RULES, Pair, Uncovered
from stratagem.compiler.frontends.torch_graph import call
from stratagem.compiler.frontends.torch_inline import inline
from stratagem.compiler.frontends.torch_refusals import refuse_dtype

aten = torch.ops.aten
COMPLEX = "stratagem.complex"
"""Key in the metadata of an input, or of what an output is, that stands for a complex tensor."""


def split_complex(graph: fx.Graph, table: Mapping[Any, Any]) -> None:
    """Rewrites every call that takes or gives complex tensors; raises UnsupportedError where there is no rule for it.

    `table` holds the decompositions for what the rules call.
    """
    pairs: dict[fx.Node, Any] = {}
    for node in list(graph.nodes):
        if node.op == "placeholder" and _is_complex(node.meta.get("val")):
            pairs[node] = _split_input(node)
        elif node.op == "output":
            node.args = (tuple(_joined(node, value, pairs) for value in node.args[0]),)
        elif node.op == "call_function":
            _rewrite(node, pairs, table)
    for node in reversed(graph.nodes):
        if node.op == "call_function" and not node.users and (node in pairs or _has_complex(node)):
            graph.erase_node(node)


def _is_complex(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype.is_complex


def _has_complex(node: fx.Node) -> bool:
    values = [node.meta.get("val"), *(n.meta.get("val") for n in node.all_input_nodes)]
    return any(_is_complex(leaf) for leaf in pytree.tree_leaves(values))


def _split_input(node: fx.Node) -> Pair:
    node.meta["val"] = torch.view_as_real(node.meta["val"].resolve_conj())
    node.meta["tensor_meta"] = _extract_tensor_metadata(node.meta["val"])
    node.meta[COMPLEX] = True
    with node.graph.inserting_after(_last_input(node.graph)):
        imag = call(node, aten.select.int, node, -1, 1)
        real = call(node, aten.select.int, node, -1, 0)
    return Pair(real, imag)


def _last_input(graph: fx.Graph) -> fx.Node:
    return [node for node in graph.nodes if node.op == "placeholder"][-1]


def _joined(output: fx.Node, value: Any, pairs: Mapping[fx.Node, Any]) -> Any:
    if value not in pairs:
        return value
    real, imag = pairs[value]
    with output.graph.inserting_before(output):
        parts = [call(value, aten.unsqueeze.default, part, -1) for part in (real, imag)]
        joined: fx.Node = output.graph.call_function(aten.cat.default, (parts, -1))
        joined.meta = {"val": torch.cat([part.meta["val"] for part in parts], -1), COMPLEX: True}
    return joined


def _refusal(node: fx.Node) -> Exception:
    given = [node.meta.get("val"), *(n.meta.get("val") for n in node.all_input_nodes)]
    dtype = next((leaf.dtype for leaf in pytree.tree_leaves(given) if _is_complex(leaf)), torch.complex64)
    return refuse_dtype(str(node.target), dtype, node)


def _rewrite(node: fx.Node, pairs: dict[fx.Node, Any], table: Mapping[Any, Any]) -> None:
    if not _has_complex(node) and not any(n in pairs for n in node.all_input_nodes):
        return
    if node.target is operator.getitem and node.args[0] in pairs:
        pairs[node] = pairs[node.args[0]][node.args[1]]
        return
    rule = RULES.get(node.target)
    if rule is None:
        raise _refusal(node)
    args, kwargs = pytree.tree_map(lambda v: pairs.get(v, v) if isinstance(v, fx.Node) else v, (node.args, node.kwargs))
    try:
        with node.graph.inserting_before(node):
            found = inline(node, lambda a, k: rule(*a, **k), (args, kwargs), table)
    except Uncovered:
        raise _refusal(node) from None
    if isinstance(found, fx.Node):
        node.replace_all_uses_with(found)
    else:
        pairs[node] = found
