"""XLA's `ApproxTopK`, exactly: a sort by its comparator, of which the first elements are kept."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.stablehlo_build import element_of, integers, operation, shape_of, tensor_type
from stratagem.compiler.ir import symbol_name, walk


def approx_top_k(op: Any) -> list[Any]:
    """Operands: n tensors, and what each begins as. Results: of each tensor the elements that come first in the order
    of the comparator along `reduction_dim`, as many as the result's type says. Every recall target is met."""
    count = len(op.results)
    values = list(op.operands)[:count]
    options = ir.DictAttr(op.attributes["mhlo.backend_config"])
    dimension = int(ir.IntegerAttr(options["reduction_dim"]).value)
    sort = ir.Operation.create(
        "stablehlo.sort",
        [v.type for v in values],
        values,
        {"dimension": ir.Attribute.parse(f"{dimension} : i64"), "is_stable": ir.BoolAttr.get(True)},
        regions=1,
    )
    _copy_body(_comparator(op), sort.regions[0])
    return [_first(new, shape_of(old)) for new, old in zip(sort.results, op.results, strict=True)]


def _comparator(op: Any) -> Any:
    """The function that the call names, in the module around it."""
    name = str(ir.ArrayAttr(op.attributes["called_computations"])[0]).removeprefix("@")
    module = op
    while module.name != "builtin.module":
        module = module.parent.operation
    return next(f for f in walk(module) if f.name == "func.func" and symbol_name(f) == name)


def _copy_body(function: Any, region: Any) -> None:
    """A function's only block, with its return as the region's."""
    source = function.regions[0].blocks[0]
    block = region.blocks.append(*[a.type for a in source.arguments], arg_locs=[a.location for a in source.arguments])
    values = dict(zip(source.arguments, block.arguments, strict=True))
    with ir.InsertionPoint(block):
        for view in source.operations:
            op = view.operation
            if op.name in ("func.return", "stablehlo.return"):
                ir.Operation.create("stablehlo.return", operands=[values[v] for v in op.operands])
                continue
            copy = op.clone().operation
            for i, operand in enumerate(op.operands):
                copy.operands[i] = values[operand]
            values.update(zip(op.results, copy.results, strict=True))


def _first(value: Any, shape: list[int]) -> Any:
    zeros, ones = integers([0] * len(shape)), integers([1] * len(shape))
    kind = tensor_type(shape, element_of(value))
    return operation("slice", kind, [value], start_indices=zeros, limit_indices=integers(shape), strides=ones)
