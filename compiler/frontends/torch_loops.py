"""`while_loop` nodes that count: how they are recognised in a graph, and what the wheel is told about them.

The wheel takes a loop whose first condition is known to hold for one that never ends, and drops the condition. So a
loop has to have a number of steps that is known; then it becomes an `scf.for`. Other loops are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import fx
from torch_mlir import ir

from stratagem.compiler.ir import run_pipeline, walk

aten = torch.ops.aten
WHILE = torch.ops.higher_order.while_loop
_LOOP, _END = "torch.prim.Loop", "torch.prim.Loop.condition"


def is_loop(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target is WHILE


def loop_count(node: fx.Node) -> int | None:
    """The number of steps of a `while_loop` that counts a carried number from 0 by 1 to a constant, else None."""
    condition, body = bodies(node)
    carried, captured = node.args[2:4]
    inputs = [n for n in body.nodes if n.op == "placeholder"]
    first = next(n for n in condition.nodes if n.op == "placeholder")
    test, after = _results(condition)[0], _results(body)[0]
    if captured or getattr(test, "target", None) is not aten.lt.Scalar or test.args[0] is not first:
        return None
    if not _is_zero(carried[0]) or not _adds_one(after, inputs[0]):
        return None
    return int(test.args[1]) if isinstance(test.args[1], int) else None


def loop_graphs(graph: fx.Graph) -> Iterator[fx.Graph]:
    """The graphs of all loops in `graph`, and of loops in these."""
    for node in filter(is_loop, graph.nodes):
        for body in bodies(node):
            yield body
            yield from loop_graphs(body)


def bodies(node: fx.Node) -> list[fx.Graph]:
    """The graphs of a loop: its condition, and its step."""
    return [getattr(node.graph.owning_module, str(n.target)).graph for n in node.args[:2]]


def _results(graph: fx.Graph) -> Sequence[Any]:
    returned = next(n for n in graph.nodes if n.op == "output").args[0]
    return returned if isinstance(returned, (tuple, list)) else (returned,)


def _is_zero(start: Any) -> bool:
    target = getattr(start, "target", None)
    filled = target in (aten.full.default, aten.full_like.default) and start.args[1] == 0
    return filled or target is aten.zeros.default


def _adds_one(after: Any, before: fx.Node) -> bool:
    adds = getattr(after, "target", None) in (aten.add.Tensor, aten.add.Scalar)
    return adds and tuple(after.args) == (before, 1) and not after.kwargs


def count_steps(module: Any) -> None:
    """Inlines the bodies of a module's loops in the torch dialect, all of which count, and writes down their steps."""
    run_pipeline(module, "builtin.module(inline,symbol-dce)")
    for op in list(walk(module.operation)):
        if op.name == _LOOP:
            _write_steps(op)


def _write_steps(loop: Any) -> None:
    end = next(o.operation for o in loop.regions[0].blocks[0].operations if o.operation.name == _END)
    test = end.operands[0].owner.operands[0].owner  # torch.aten.Bool.Tensor of torch.aten.lt.Scalar
    steps = test.operands[1].owner
    with loop.context, ir.InsertionPoint(loop), loop.location:
        loop.operands[0] = steps.clone().results[0]
        true = ir.Operation.create(
            "torch.constant.bool",
            results=[ir.Type.parse("!torch.bool")],
            attributes={"value": ir.IntegerAttr.get(ir.IntegerType.get_signless(1), 1)},
        ).result
    loop.operands[1] = end.operands[0] = true
