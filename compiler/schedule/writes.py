"""Ops without a destination of their own, written into one: paddings, concatenations, insertions, others.

Each becomes ops whose last result overwrites the destination, so that no backend needs a copy it was not
told of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import linalg

from stratagem.compiler.schedule import index, region
from stratagem.compiler.schedule.clone import Mapping, clone
from stratagem.compiler.schedule.extents import extent, pad_amounts
from stratagem.compiler.schedule.region import Range
from stratagem.compiler.schedule.structured import captured, is_fill, is_tensor, owner

Writer = Callable[[Any, Mapping, Any], Any | None]


def write_into(op: Any, mapping: Mapping, targets: list[Any | None]) -> None:
    """Emits `op` on the values of `mapping` and puts its results into `targets`; extends `mapping`."""
    special = _WRITERS.get(op.name)
    if special is not None and targets[0] is not None:
        written = special(op, mapping, targets[0])
        if written is not None:
            mapping[op.results[0]] = written
            return
    copy = clone(op, mapping)
    for old, new, target in zip(op.results, copy.results, targets, strict=True):
        mapping[old] = new if target is None or not is_tensor(new) else copy_into(new, target)


def copy_into(source: Any, target: Any) -> Any:
    """An elementwise copy of a tensor over a destination of the same type."""
    return elementwise([source], target, lambda arguments: arguments[0])


def spread(scalar: Any, target: Any) -> Any:
    """An elementwise op that writes one scalar everywhere: a fill that can be tiled like any other op."""
    return elementwise([], target, lambda _: scalar)


def elementwise(sources: list[Any], target: Any, compute: Callable[[Any], Any]) -> Any:
    """A generic over tensors of one shape; `compute` makes the yielded scalar from the block's arguments."""
    rank = target.type.rank
    identity = ir.AffineMapAttr.get(ir.AffineMap.get_identity(rank))
    made = linalg.GenericOp(
        [target.type],
        sources,
        [target],
        ir.ArrayAttr.get([identity] * (len(sources) + 1)),
        ir.ArrayAttr.get([ir.Attribute.parse("#linalg.iterator_type<parallel>")] * rank),
    )
    block = made.regions[0].blocks.append(*[v.type.element_type for v in [*sources, target]])
    with ir.InsertionPoint(block):
        linalg.YieldOp([compute(block.arguments)])
    return made.results[0]


def _pad(op: Any, mapping: Mapping, target: Any) -> Any | None:
    """A constant padding: fill all, then insert the source."""
    value = list(op.regions[0].blocks[0].operations)[-1].operation.operands[0]
    if captured(op) != [value]:
        return None
    low, _ = pad_amounts(op)
    source = op.operands[0]
    filled = spread(_mapped(value, mapping), target)
    offsets = [_mapped(o, mapping) for o in low]
    return region.insert(_mapped(source, mapping), filled, _placed(_mapped(source, mapping), offsets))


def _concat(op: Any, mapping: Mapping, target: Any) -> Any | None:
    along = int(ir.IntegerAttr(op.attributes["dim"]).value)
    written, at = target, 0
    for operand in op.operands:
        value = _mapped(operand, mapping)
        offsets: list[Any] = [0] * value.type.rank
        offsets[along] = at
        written = region.insert(value, written, _placed(value, offsets))
        at = index.add(at, extent(value, along))
    return written


def _placed(value: Any, offsets: list[Any]) -> region.Region:
    return tuple(Range(o, extent(value, i)) for i, o in enumerate(offsets))


def _insert_slice(op: Any, mapping: Mapping, target: Any) -> Any | None:
    under = owner(op.operands[1])
    if under is not None and is_fill(under):
        copied = spread(_mapped(under.operands[0], mapping), target)
    else:
        copied = copy_into(_mapped(op.operands[1], mapping), target)
    local = {**mapping, op.operands[1]: copied}
    return clone(op, local).results[0]


def _splat(op: Any, mapping: Mapping, target: Any) -> Any | None:
    return spread(_mapped(op.operands[0], mapping), target)


def _mapped(value: Any, mapping: Mapping) -> Any:
    return value if isinstance(value, int) else mapping.get(value, value)


_WRITERS: dict[str, Writer] = {
    "tensor.pad": _pad,
    "tensor.concat": _concat,
    "tensor.insert_slice": _insert_slice,
    "tensor.splat": _splat,
}
