"""Choices between whole tensors, which MLIR makes of branches that compute nothing, in forms of the tensor level."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, scf, tensor

from stratagem.compiler.ir import walk


def lower_choices(function: Any) -> None:
    """Replaces `arith.select` between tensors: elementwise where their sizes are equal, else by `scf.if`."""
    for op in list(walk(function)):
        if op.name != "arith.select" or not isinstance(op.results[0].type, ir.RankedTensorType):
            continue
        with ir.InsertionPoint(op), op.location:
            by_element = isinstance(op.operands[0].type, ir.RankedTensorType)
            same_sizes = by_element or op.results[0].type.has_static_shape
            op.results[0].replace_all_uses_with(_elementwise(*op.operands) if same_sizes else _branch(*op.operands))
        op.erase()


def _elementwise(condition: Any, first: Any, second: Any) -> Any:
    kind = first.type
    given = [condition] if isinstance(condition.type, ir.RankedTensorType) else []
    inputs = [*given, first, second]
    identity = ir.AffineMapAttr.get(ir.AffineMap.get_identity(kind.rank))
    parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
    generic = linalg.GenericOp(
        [kind],
        inputs,
        [tensor.EmptyOp([_size(first, d) for d in range(kind.rank)], kind.element_type).result],
        ir.ArrayAttr.get([identity] * (len(inputs) + 1)),
        ir.ArrayAttr.get([parallel] * kind.rank),
    )
    elements = [*(v.type.element_type for v in inputs), kind.element_type]
    block = generic.regions[0].blocks.append(*elements, arg_locs=[ir.Location.current] * len(elements))
    with ir.InsertionPoint(block):
        which = block.arguments[0] if given else condition
        one, two = list(block.arguments)[len(given) : len(given) + 2]
        linalg.YieldOp([arith.SelectOp(which, one, two).result])
    return generic.results[0]


def _size(value: Any, dimension: int) -> Any:
    if not value.type.is_dynamic_dim(dimension):
        return int(value.type.get_dim_size(dimension))
    return tensor.DimOp(value, arith.ConstantOp(ir.IndexType.get(), dimension).result).result


def _branch(condition: Any, first: Any, second: Any) -> Any:
    choice = scf.IfOp(condition, [first.type], has_else=True)
    for block, value in ((choice.then_block, first), (choice.else_block, second)):
        with ir.InsertionPoint(block):
            scf.YieldOp([value])
    return choice.results[0]
