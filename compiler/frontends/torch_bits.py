"""`x.view(dtype)` between types of one width, which the wheel has no lowering for: a bitcast of each element."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.frontends.torch_unsigned import builtin_type
from stratagem.compiler.ir import walk


def lower_bitcasts(module: Any) -> None:
    """Replaces `aten.view.dtype` of a torch-dialect module where the width of an element stays the same."""
    for op in list(walk(module.operation)):
        if op.name != "torch.aten.view.dtype":
            continue
        with ir.InsertionPoint(op), op.location:
            source, result = (ir.RankedTensorType(builtin_type(v.type)) for v in (op.operands[0], op.results[0]))
            if source.element_type.width == result.element_type.width:
                op.results[0].replace_all_uses_with(_bitcast(op, source, result))
                op.erase()


def _bitcast(op: Any, source: Any, result: Any) -> Any:
    plain = ir.Operation.create("torch_c.to_builtin_tensor", results=[source], operands=[op.operands[0]]).result
    sizes = [_size(plain, source, i) for i in range(source.rank)]
    empty = tensor.EmptyOp(sizes, result.element_type).result
    identity = ir.AffineMap.get_identity(source.rank)
    maps = ir.ArrayAttr.get([ir.AffineMapAttr.get(identity)] * 2)
    kinds = ir.ArrayAttr.get([ir.Attribute.parse("#linalg.iterator_type<parallel>")] * source.rank)
    generic = linalg.GenericOp([result], [plain], [empty], maps, kinds)
    elements = [source.element_type, result.element_type]
    block = ir.Block.create_at_start(generic.regions[0], elements, [op.location] * 2)
    with ir.InsertionPoint(block):
        linalg.YieldOp([arith.BitcastOp(result.element_type, block.arguments[0]).result])
    return ir.Operation.create(
        "torch_c.from_builtin_tensor", results=[op.results[0].type], operands=[generic.results[0]]
    ).result


def _size(value: Any, kind: Any, i: int) -> Any:
    if not kind.is_dynamic_dim(i):
        return kind.get_dim_size(i)
    return tensor.DimOp(value, arith.ConstantOp(ir.IndexType.get(), i).result).result
