"""Edits of an exported graph before the torch-mlir importer sees it, each small and with its reason.

`prepare` runs them in order. Every edit keeps the program's meaning: the result still runs in PyTorch.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from stratagem.compiler.frontends.torch_branches import select_branches
from stratagem.compiler.frontends.torch_complex import split_complex
from stratagem.compiler.frontends.torch_graph import apply_to_calls, call
from stratagem.compiler.frontends.torch_loops import loop_graphs
from stratagem.compiler.frontends.torch_ops import rules
from stratagem.compiler.frontends.torch_views import regroup_free_dimensions, same_size

aten = torch.ops.aten

WHOLE_OPS = (aten.linear.default, aten.matmul.default, aten.full.default)
"""Kept whole: decomposed, products flatten free dimensions with a view, which the backend lowers as if one size were 1,
and `full` leaves a tensor without values behind."""

BACKEND_LEGAL_OPS = ("aten.flatten.using_ints", "aten.unflatten.int")
"""What the torch-mlir pipeline has to keep whole so that `regroup_free_dimensions` has its effect."""

_CHECKS = (
    aten._assert_tensor_metadata.default,
    aten._assert_scalar.default,
    aten.sym_constrain_range.default,
    aten.sym_constrain_range_for_size.default,
)


def prepare(program: ExportedProgram) -> ExportedProgram:
    """The program, decomposed to the operators torch-mlir lowers, with the edits below applied."""
    for node in list(program.graph.nodes):
        reshape_for_view(node)
        reduce_scalar_as_vector(node)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyTorch about its own use of its own trees
        program = program.run_decompositions(decomposition_table())
    select_branches(program.graph)
    split_complex(program.graph, decomposition_table())
    for graph in (program.graph, *loop_graphs(program.graph)):
        for edit in EDITS:
            apply_to_calls(graph, edit)
        graph.eliminate_dead_code()
        graph.owning_module.recompile()
    return program


def decomposition_table() -> dict[Any, Any]:
    """torch-mlir's own table without `WHOLE_OPS`, and ours."""
    from torch_mlir.extras.fx_decomp_util import get_decomposition_table

    table = {op: rule for op, rule in get_decomposition_table().items() if op not in WHOLE_OPS}
    return table | rules()


def reshape_for_view(node: fx.Node) -> None:
    """view -> reshape: decomposing attention changes the strides under a later view, which then is illegal."""
    if node.op == "call_function" and node.target is aten.view.default:
        node.target = aten.reshape.default


_ALONG = {
    aten.all.dim, aten.any.dim, aten.amax.default, aten.amin.default, aten.argmax.default, aten.argmin.default,
    aten.logsumexp.default, aten.prod.dim_int,
}  # fmt: skip


def reduce_scalar_as_vector(node: fx.Node) -> None:
    """A reduction of a scalar along its dimension: of one element instead, which the wheel takes."""
    if node.op != "call_function" or node.target not in _ALONG or node.args[0].meta["val"].ndim:
        return
    with node.graph.inserting_before(node):
        line = call(node, aten.reshape.default, node.args[0], [1])
        found = call(node, node.target, line, *node.args[1:])
        value = call(node, aten.reshape.default, found, [])
    node.replace_all_uses_with(value)
    node.graph.erase_node(node)


def drop_check(node: fx.Node) -> None:
    """Drops assertions about sizes and dtypes: they have no value, and the importer has no form for them."""
    if node.target in _CHECKS and not node.users:
        node.graph.erase_node(node)


def fill_for_empty(node: fx.Node) -> None:
    """A tensor without elements is made from its size: some lowerings crash on sizes of 0."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor) or node.target is aten.full.default or not node.users:
        return
    if all(isinstance(size, int) for size in value.shape) and 0 in value.shape:
        with node.graph.inserting_before(node):
            full = node.graph.call_function(aten.full.default, (list(value.shape), 0), {"dtype": value.dtype})
            full.meta = dict(node.meta)
        node.replace_all_uses_with(full)


def reshape_for_unit_strides(node: fx.Node) -> None:
    """as_strided -> reshape where it only adds or drops dimensions of size 1 (group norm, adaptive pooling):
    the backend takes static sizes only in as_strided."""
    if node.target is not aten.as_strided.default:
        return
    source, result = node.args[0].meta["val"], node.meta["val"]
    offset = node.args[3] if len(node.args) > 3 else None
    if source.is_contiguous() and result.is_contiguous() and not offset and _same_without_units(source, result):
        node.target, node.args = aten.reshape.default, (node.args[0], list(node.args[1]))


def _same_without_units(a: Any, b: Any) -> bool:
    left, right = ([size for size in x.shape if not same_size(size, 1)] for x in (a, b))
    return len(left) == len(right) and all(map(same_size, left, right))


def where_for_masked_put(node: fx.Node) -> None:
    """`x[mask] = value` -> where(mask, value, x): the backend crashes on boolean masks among indices.

    Only where the value does not depend on how many elements the mask selects.
    """
    if node.target is not aten.index_put.default or len(node.args[1]) != 1:
        return
    target, (mask,), value = node.args[:3]
    if mask is None or mask.meta["val"].dtype is not torch.bool:
        return
    x, m, v = target.meta["val"], mask.meta["val"], value.meta["val"]
    if v.ndim > x.ndim - m.ndim and v.numel() != 1:
        return
    accumulate = len(node.args) > 3 and bool(node.args[3])
    with node.graph.inserting_before(node):
        for _ in range(x.ndim - m.ndim):
            mask = call(node, aten.unsqueeze.default, mask, -1)
        if v.ndim and v.numel() == 1:
            value = call(node, aten.reshape.default, value, [])
        if accumulate:
            value = call(node, aten.add.Tensor, target, value)
        node.replace_all_uses_with(call(node, aten.where.self, mask, value, target))
    node.graph.erase_node(node)


def crop_for_negative_pad(node: fx.Node) -> None:
    """A negative pad is a slice: the backend writes out of bounds with it, or gives shifted values."""
    if node.target is not aten.constant_pad_nd.default:
        return
    pads = list(node.args[1])
    if all(not isinstance(p, int) or p >= 0 for p in pads):
        return
    value, rank = node.args[0], node.meta["val"].ndim
    with node.graph.inserting_before(node):
        for i, (before, after) in enumerate(zip(pads[::2], pads[1::2], strict=True)):
            cut = [-p if isinstance(p, int) and p < 0 else 0 for p in (before, after)]
            if any(cut):
                end = -cut[1] if cut[1] else _TO_THE_END
                value = call(node, aten.slice.Tensor, value, rank - 1 - i, cut[0], end)
        kept = [0 if isinstance(p, int) and p < 0 else p for p in pads]
        if any(not isinstance(p, int) or p for p in kept):
            value = call(node, aten.constant_pad_nd.default, value, kept, *node.args[2:])
    node.replace_all_uses_with(value)
    node.graph.erase_node(node)


def spell_out_tanh_gelu(node: fx.Node) -> None:
    """gelu(approximate="tanh") as its formula: the backend's own has 0.797724 for sqrt(2 / pi) = 0.797885."""
    if node.target is not aten.gelu.default or node.kwargs.get("approximate") != "tanh":
        return
    x = node.args[0]
    with node.graph.inserting_before(node):
        cube = call(node, aten.mul.Tensor, call(node, aten.mul.Tensor, x, x), x)
        inner = call(node, aten.add.Tensor, x, call(node, aten.mul.Scalar, cube, 0.044715))
        bent = call(node, aten.tanh.default, call(node, aten.mul.Scalar, inner, math.sqrt(2.0 / math.pi)))
        half = call(node, aten.mul.Scalar, x, 0.5)
        value = call(node, aten.mul.Tensor, half, call(node, aten.add.Scalar, bent, 1.0))
    node.replace_all_uses_with(value)
    node.graph.erase_node(node)


_COMPARISONS = {
    aten.eq.Scalar, aten.ne.Scalar, aten.lt.Scalar, aten.le.Scalar, aten.gt.Scalar, aten.ge.Scalar
}  # fmt: skip


def compare_floats_with_floats(node: fx.Node) -> None:
    """Floats against a whole number: the backend's folding of constants takes the integer's bits for a float."""
    if node.target not in _COMPARISONS or not isinstance(node.args[1], int):
        return
    if node.args[0].meta["val"].dtype.is_floating_point:
        node.args = (node.args[0], float(node.args[1]))


_TO_THE_END = 2**63 - 1  # how slice writes "no end"

EDITS = (
    drop_check,
    fill_for_empty,
    reduce_scalar_as_vector,
    reshape_for_unit_strides,
    crop_for_negative_pad,
    where_for_masked_put,
    spell_out_tanh_gelu,
    compare_floats_with_floats,
    regroup_free_dimensions,
)
