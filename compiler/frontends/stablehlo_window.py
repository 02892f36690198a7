"""stablehlo.reduce_window of free sizes, which the wheel's lowering leaves, as linalg.generic over a padded operand."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.frontends.stablehlo_scalars import extract_scalar, inline_scalars
from stratagem.compiler.frontends.stablehlo_select import integers_of, padding_of
from stratagem.compiler.ir import DYNAMIC


def lower_reduce_window(op: Any) -> None:
    """One reduction over (result, window) positions; operands with holes (base dilations) stay as they are."""
    count = len(op.results)
    values, inits = list(op.operands)[:count], list(op.operands)[count:]
    rank = values[0].type.rank
    if any(n != 1 for n in integers_of(op, "base_dilations", [1] * rank)):
        return
    window, dilations, strides = (
        integers_of(op, key, [1] * rank) for key in ("window_dimensions", "window_dilations", "window_strides")
    )
    low, high = padding_of(op, rank)
    if min([*low, *high], default=0) < 0:
        return
    with ir.InsertionPoint(op), op.location:
        numbers = [extract_scalar(init) for init in inits]
        padded = [_padded(v, low, high, number) for v, number in zip(values, numbers, strict=True)]
        spans = [(n - 1) * d for n, d in zip(window, dilations, strict=True)]
        sizes = [_count(padded[0], d, spans[d], strides[d]) for d in range(rank)]
        starts = [_filled(number, sizes) for number in numbers]
        results = _reduce(op, padded, starts, window, [strides, dilations])
        for old, new in zip(op.results, results, strict=True):
            old.replace_all_uses_with(new if new.type == old.type else tensor.CastOp(old.type, new).result)
    op.erase()


def _padded(value: Any, low: list[int], high: list[int], number: Any) -> Any:
    kind = value.type
    if not any([*low, *high]):
        return value
    shape = [DYNAMIC if kind.is_dynamic_dim(d) else kind.get_dim_size(d) + low[d] + high[d] for d in range(kind.rank)]
    result = ir.RankedTensorType.get(shape, kind.element_type)
    low_attribute, high_attribute = ir.DenseI64ArrayAttr.get(low), ir.DenseI64ArrayAttr.get(high)
    pad = tensor.PadOp(result, value, [], [], low_attribute, high_attribute)
    index = ir.IndexType.get()
    block = pad.regions[0].blocks.append(*[index] * kind.rank, arg_locs=[ir.Location.current] * kind.rank)
    with ir.InsertionPoint(block):
        tensor.YieldOp(number)
    return pad.result


def _count(padded: Any, dimension: int, span: int, stride: int) -> Any:
    """How many windows fit: an int where static."""
    kind = padded.type
    if not kind.is_dynamic_dim(dimension):
        return max((int(kind.get_dim_size(dimension)) - span - 1) // stride + 1, 0)
    size = tensor.DimOp(padded, _index(dimension)).result
    if span == 0 and stride == 1:
        return size
    last = arith.SubIOp(size, _index(span + 1)).result
    fits = arith.AddIOp(arith.FloorDivSIOp(last, _index(stride)).result, _index(1)).result
    return arith.MaxSIOp(fits, _index(0)).result


def _filled(number: Any, sizes: list[Any]) -> Any:
    return linalg.fill(number, outs=[tensor.EmptyOp(sizes, number.type).result])


def _reduce(op: Any, padded: list[Any], starts: list[Any], window: list[int], steps: list[list[int]]) -> list[Any]:
    rank = len(window)
    outer, inner = ([ir.AffineDimExpr.get(i) for i in range(b, b + rank)] for b in (0, rank))
    strides, dilations = steps
    reads = [o * s + w * d for o, s, w, d in zip(outer, strides, inner, dilations, strict=True)]
    shape = tensor.EmptyOp(window, ir.IntegerType.get_signless(1)).result  # says how large the window is
    expressions = [*([reads] * len(padded)), inner, *([outer] * len(starts))]
    maps = [ir.AffineMapAttr.get(ir.AffineMap.get(2 * rank, 0, e)) for e in expressions]
    kinds = [ir.Attribute.parse(f"#linalg.iterator_type<{k}>") for k in ("parallel", "reduction") for _ in range(rank)]
    generic = linalg.GenericOp(
        [s.type for s in starts], [*padded, shape], starts, ir.ArrayAttr.get(maps), ir.ArrayAttr.get(kinds)
    )
    elements = [v.type.element_type for v in (*padded, shape, *starts)]
    block = generic.regions[0].blocks.append(*elements, arg_locs=[ir.Location.current] * len(elements))
    with ir.InsertionPoint(block):
        arguments = list(block.arguments)
        found = inline_scalars(op.regions[0].blocks[0], [*arguments[len(padded) + 1 :], *arguments[: len(padded)]])
        linalg.YieldOp(found)
    return list(generic.results)


def _index(number: int) -> Any:
    return arith.ConstantOp(ir.IndexType.get(), number).result
