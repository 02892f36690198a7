"""Rewrites a block so that chosen tensors are stored with their channels last.

Before: `%r = generic(%x)` on `tensor<1x64x56x56xf32>`. After: the same on `tensor<1x56x56x64xf32>`, with the results of
its indexing maps in that order. Operations that cannot work on a reordered tensor read a transposed copy, and what they
make is transposed after them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import linalg, tensor

from stratagem.compiler.ir import DYNAMIC, walk
from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.schedule import region
from stratagem.compiler.schedule.clone import remap
from stratagem.compiler.schedule.extents import extent, pad_amounts, slice_parts
from stratagem.compiler.schedule.index import constant
from stratagem.compiler.schedule.layouts import Layout, moves_freely, reshapes_in_layout
from stratagem.compiler.schedule.rebuild import rebuild, replace
from stratagem.compiler.schedule.region import Range
from stratagem.compiler.schedule.reshapes import reassociation
from stratagem.compiler.schedule.structured import (
    Linear,
    accesses,
    is_fill,
    is_generic,
    is_tensor,
    iterators,
    owner,
    shape,
)
from stratagem.compiler.schedule.writes import elementwise


def order_of(layout: Layout, rank: int) -> list[int]:
    """The dimensions in the order in which they are stored."""
    return [i for i in range(rank) if i not in layout] + list(layout)


@rests_on("permuted-index")
def store_channels_last(block: Any, layouts: dict[Any, Layout]) -> None:
    """Rewrites the operations of `block` so that the tensors in `layouts` are stored in their layouts."""
    _Rewriter(block, layouts).run()


def works_in_layout(op: Any, layouts: dict[Any, Layout]) -> bool:
    """Whether an operation can read and make reordered tensors itself."""
    if is_generic(op):
        return all(layouts.get(r) == layouts.get(i) for r, i in _destinations(op))
    if is_fill(op):
        return layouts.get(op.results[0]) == layouts.get(op.operands[1])
    if op.name in ("tensor.expand_shape", "tensor.collapse_shape"):
        return reshapes_in_layout(op, layouts)
    if op.name == "tensor.dim":
        return _constant(op.operands[1]) is not None
    if op.name not in _MOVES or not moves_freely(op):
        return False
    return len({layouts.get(v) for v in [*op.operands, *op.results] if is_tensor(v)}) == 1


def _destinations(op: Any) -> list[tuple[Any, Any]]:
    count = len(op.operands) - len(op.results)
    return list(zip(op.results, list(op.operands)[count:], strict=True))


def _constant(value: Any) -> int | None:
    maker = owner(value)
    found = maker is not None and maker.name == "arith.constant"
    return int(ir.IntegerAttr(maker.attributes["value"]).value) if found else None


class _Rewriter:
    """The reordered tensor of each old one, while a block is rewritten."""

    def __init__(self, block: Any, layouts: dict[Any, Layout]) -> None:
        self.block, self.layouts = block, layouts
        self.made: dict[Any, Any] = {}
        self.replaced: dict[Any, None] = {}

    def run(self) -> None:
        ops = [view.operation for view in self.block.operations]
        with ir.InsertionPoint.at_block_begin(self.block), ir.Location.unknown():
            for value in self.layouts:
                if owner(value) is None:
                    self.made[value] = reordered(value, self.order(value))
        for op in ops:
            touched = [v for v in [*op.operands, *op.results, *_picked(op)] if v in self.layouts]
            if touched and works_in_layout(op, self.layouts):
                with ir.InsertionPoint(op), op.location:
                    self._convert(op)
                self.replaced[op] = None
            else:
                self._cross(op)
        for value in self.made:
            self._follow_sizes(value)
        for op in reversed(self.replaced):
            op.erase()

    def _follow_sizes(self, value: Any) -> None:
        """Sizes that the rewrite itself asked of a tensor that goes."""
        for use in list(value.uses):
            op = use.owner.operation
            if op.name == "tensor.dim" and op not in self.replaced and owner(value) in self.replaced:
                with ir.InsertionPoint(op), op.location:
                    op.results[0].replace_all_uses_with(self._dim(op))
                op.erase()

    def order(self, value: Any) -> list[int]:
        return order_of(self.layouts[value], value.type.rank)

    def _new(self, value: Any) -> Any:
        return self.made.get(value, value)

    def _cross(self, op: Any) -> None:
        """An operation that works in the old order: what it or something in it reads is transposed back."""
        for reader in [op, *walk(op)]:
            for i, value in enumerate(reader.operands):
                if value in self.made and not self._old_argument(value):
                    reader.operands[i] = self._back(value, op)
        for value in op.results:
            if value in self.layouts:
                with ir.InsertionPoint.after(op), op.location:
                    self.made[value] = reordered(value, self.order(value))

    def _old_argument(self, value: Any) -> bool:
        """Whether the tensor exists in its old order anyway."""
        maker = owner(value)
        return maker is None or maker not in self.replaced

    def _back(self, value: Any, op: Any) -> Any:
        order = self.order(value)
        inverse = [order.index(i) for i in range(len(order))]
        with ir.InsertionPoint(op), op.location:
            return reordered(self.made[value], inverse)

    def _convert(self, op: Any) -> None:
        if is_generic(op):
            made = self._generic(op)
        elif is_fill(op):
            made = [linalg.fill(op.operands[0], outs=[self._new(op.operands[1])])]
        else:
            made = [_MOVES[op.name](self, op)]
        for old, new in zip(op.results, made, strict=True):
            if old in self.layouts:
                self.made[old] = new
            else:
                old.replace_all_uses_with(new)

    def _generic(self, op: Any) -> list[Any]:
        reads = [
            tuple(a[i] for i in self.order(v)) if v in self.layouts else a
            for v, a in zip(op.operands, accesses(op), strict=True)
        ]
        operands = [self._new(v) for v in op.operands]
        made = rebuild(op, operands, reads, iterators(op), {i: i for i in range(len(iterators(op)))})
        for inner in walk(made):
            if inner.name == "tensor.extract" and (source := inner.operands[0]) in self.made:
                subscripts = list(inner.operands)[1:]
                for place, dim in enumerate(self.order(source), 1):
                    inner.operands[place] = subscripts[dim]
                inner.operands[0] = self.made[source]
        remap(made, self.made)
        return list(made.results)

    def _sizes(self, value: Any) -> list[Any]:
        return [extent(value, i) for i in self.order(value)]

    def _dim(self, op: Any) -> Any:
        position = self.order(op.operands[0]).index(_constant(op.operands[1]) or 0)
        return tensor.DimOp(self._new(op.operands[0]), constant(position)).result

    def _empty(self, op: Any) -> Any:
        return tensor.empty(self._sizes(op.results[0]), op.results[0].type.element_type)

    def _pad(self, op: Any) -> Any:
        order, (low, high) = self.order(op.operands[0]), pad_amounts(op)
        given = list(op.regions[0].blocks[0].operations)[-1].operation.operands[0]
        sides = [[amounts[i] for i in order] for amounts in (low, high)]
        static = [[a if isinstance(a, int) else DYNAMIC for a in amounts] for amounts in sides]
        free = [[a for a in amounts if not isinstance(a, int)] for amounts in sides]
        kind = _reordered_type(op.results[0], order)
        made = tensor.PadOp(kind, self._new(op.operands[0]), *free, *static)
        inner = made.regions[0].blocks.append(*[ir.IndexType.get()] * len(order))
        with ir.InsertionPoint(inner):
            tensor.YieldOp(given)
        return made.result

    def _concat(self, op: Any) -> Any:
        along = self.order(op.results[0]).index(int(ir.IntegerAttr(op.attributes["dim"]).value))
        kind = _reordered_type(op.results[0], self.order(op.results[0]))
        return tensor.ConcatOp(kind, along, [self._new(v) for v in op.operands]).result

    def _region(self, op: Any, values: int) -> region.Region:
        parts = [Range(o, s, t) for o, s, t in zip(*slice_parts(op, values), strict=True)]
        return tuple(parts[i] for i in self.order(op.operands[0]))

    def _extract(self, op: Any) -> Any:
        return region.extract(self._new(op.operands[0]), self._region(op, 1))

    def _insert(self, op: Any) -> Any:
        into = self._new(op.operands[1])
        return region.insert(self._new(op.operands[0]), into, self._region(op, 2))

    def _reshape(self, op: Any) -> Any:
        """The same groups between the reordered dimensions."""
        value, result = op.operands[0], op.results[0]
        expands = op.name == "tensor.expand_shape"
        wide, narrow = (result, value) if expands else (value, result)
        at = {dim: place for place, dim in enumerate(self.order(wide))}
        groups = [[at[d] for d in reassociation(op)[n]] for n in self.order(narrow)]
        kind = _reordered_type(result, self.order(result))
        if not expands:
            return tensor.CollapseShapeOp(kind, self._new(value), groups).result
        sizes = self._expanded_sizes(op)
        free = [s for s in sizes if not isinstance(s, int)]
        static = [s if isinstance(s, int) else DYNAMIC for s in sizes]
        return tensor.ExpandShapeOp(kind, self._new(value), groups, free, static).result

    def _expanded_sizes(self, op: Any) -> list[Any]:
        static = list(ir.DenseI64ArrayAttr(op.attributes["static_output_shape"]))
        free = iter(list(op.operands)[1:])
        sizes = [next(free) if s == DYNAMIC else int(s) for s in static]
        return [sizes[i] for i in self.order(op.results[0])]


_MOVES: dict[str, Callable[[_Rewriter, Any], Any]] = {
    "tensor.dim": _Rewriter._dim,
    "tensor.empty": _Rewriter._empty,
    "tensor.pad": _Rewriter._pad,
    "tensor.concat": _Rewriter._concat,
    "tensor.extract_slice": _Rewriter._extract,
    "tensor.insert_slice": _Rewriter._insert,
    "tensor.expand_shape": _Rewriter._reshape,
    "tensor.collapse_shape": _Rewriter._reshape,
}


def _picked(op: Any) -> list[Any]:
    """Tensors that the body of a generic reads elements of."""
    return [o.operands[0] for o in walk(op) if o.name == "tensor.extract"] if is_generic(op) else []


def reordered(value: Any, order: Sequence[int]) -> Any:
    """A tensor with its dimensions in another order: a view where only dimensions of one element move, else a copy."""
    if list(order) == list(range(len(order))):
        return value
    sizes = shape(value)
    wide = [d for d in order if sizes[d] != 1]
    if wide == sorted(wide) and None not in sizes and wide:
        return _reshaped(value, order, wide)
    target = tensor.empty([extent(value, d) for d in order], value.type.element_type)
    copied = owner(elementwise([target], target, lambda arguments: arguments[0]))
    identity = tuple(Linear(((i, 1),)) for i in range(len(order)))
    read = tuple(identity[list(order).index(d)] for d in range(len(order)))
    loops = {i: i for i in range(len(order))}
    return replace(copied, [value, copied.operands[1]], [read, identity], iterators(copied), loops).results[0]


def _reshaped(value: Any, order: Sequence[int], wide: list[int]) -> Any:
    """Drops the dimensions of one element and puts them back where the order has them."""
    sizes = shape(value)
    flat = ir.RankedTensorType.get([sizes[d] for d in wide], value.type.element_type)
    if len(wide) < len(sizes):
        value = tensor.CollapseShapeOp(flat, value, _around(list(range(len(sizes))), wide)).result
    full = [sizes[d] for d in order]
    kind = ir.RankedTensorType.get(full, value.type.element_type)
    if len(wide) == len(full):
        return value
    return tensor.ExpandShapeOp(kind, value, _around(list(order), wide), [], full).result


def _around(dims: list[int], wide: list[int]) -> list[list[int]]:
    """The places of `dims`, cut into one group around each dimension of `wide`."""
    ends = [dims.index(d) for d in wide]
    starts = [0, *(e + 1 for e in ends[:-1])]
    stops = [*(e + 1 for e in ends[:-1]), len(dims)]
    return [list(range(a, b)) for a, b in zip(starts, stops, strict=True)]


def _reordered_type(value: Any, order: Sequence[int]) -> Any:
    sizes = shape(value)
    return ir.RankedTensorType.get([DYNAMIC if (s := sizes[i]) is None else s for i in order], value.type.element_type)
