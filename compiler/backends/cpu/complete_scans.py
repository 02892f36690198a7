"""Scans whose last accumulator is read: `tm-tensor-to-loops` writes it from the second element on, and leaves that of
an exclusive scan one element short.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.ir import walk


def complete_scans(module: Any) -> None:
    """Computes the accumulator of every `tm_tensor.scan` of the module where it is used, in place.

    An inclusive scan ends with its last result, an exclusive one with that and the last element combined, so that the
    order of roundings is the scan's own. Without elements it is what the scan starts from.
    """
    with module.context:
        for op in [one for one in walk(module.operation) if one.name == "tm_tensor.scan"]:
            if next(iter(op.results[1].uses), None) is None:
                continue
            with op.location, ir.InsertionPoint.after(op):
                op.results[1].replace_all_uses_with(_accumulator(op))


def _accumulator(op: Any) -> Any:
    results, total = op.results
    inclusive = bool(ir.BoolAttr(op.attributes["inclusive"]).value)
    sources = [results] if inclusive else [results, op.operands[0]]
    kind, along = ir.RankedTensorType(results.type), int(ir.IntegerAttr(op.attributes["dimension"]).value)
    every = ir.AffineMap.get_identity(kind.rank)
    rest = ir.AffineMap.get(kind.rank, 0, [ir.AffineDimExpr.get(d) for d in range(kind.rank) if d != along])
    iterators = ["reduction" if d == along else "parallel" for d in range(kind.rank)]
    place, one = (arith.constant(ir.IndexType.get(), n) for n in (along, 1))
    last = arith.subi(tensor.dim(results, place), one)
    maps = [every] * len(sources) + [rest]
    made = linalg.GenericOp([total.type], sources, [op.operands[2]], maps, _iterators(iterators))
    block = made.regions[0].blocks.append(*[kind.element_type] * len(maps))
    *seen, so_far = block.arguments
    with ir.InsertionPoint(block):
        at_end = arith.cmpi(arith.CmpIPredicate.eq, linalg.IndexOp(along).result, last)
        (end,) = seen if inclusive else _combined(op.regions[0].blocks[0], *seen)
        linalg.YieldOp([arith.select(at_end, end, so_far)])
    return made.result


def _combined(body: Any, so_far: Any, step: Any) -> list[Any]:
    """What the scan's region makes of an accumulator and an element."""
    values = dict(zip(body.arguments, (so_far, step), strict=True))
    *inner, end = (one.operation for one in body.operations)
    for op in inner:
        copy = op.clone().operation
        for i, value in enumerate(op.operands):
            copy.operands[i] = values.get(value, value)
        values.update(zip(op.results, copy.results, strict=True))
    return [values.get(v, v) for v in end.operands]


def _iterators(kinds: list[str]) -> Any:
    return ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{kind}>") for kind in kinds])
