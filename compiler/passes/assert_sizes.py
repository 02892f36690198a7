"""assert-sizes: what an operation takes for granted about sizes is checked when the program runs.

Before: two tensors of free size meet in one operation, and nothing says that the sizes agree, that a convolution's
window stays inside its input, or that a tensor of another shape has as many elements. After: a `cf.assert` in front of
the operation compares them. Sizes that are the same value, or known numbers, cost nothing: such comparisons fold away.
What remains protects memory from inputs that do not fit together, and is a premise of the proofs of kernels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, tensor

from stratagem.compiler.ir import DYNAMIC, find_function, run_pipeline
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.compiler.schedule import index
from stratagem.compiler.schedule.extents import kept_dims, slice_parts
from stratagem.compiler.schedule.index import Index
from stratagem.compiler.schedule.structured import segment_sizes
from stratagem.compiler.sharding.structure import indexing_maps, is_loop_nest, loops_in, plain_dims

Place = tuple[Any, int]
"""A tensor value and one of its dimensions."""

FOLD = "builtin.module(resolve-ranked-shaped-type-result-dims,cse,canonicalize,cse)"


@dataclass(frozen=True)
class AssertSizes(Pass):
    name: ClassVar[str] = "assert-sizes"

    def apply(self, program: Program, context: PassContext) -> None:
        with program.module.context:
            made = [_assert_one(op) for op in _outside_of_bodies(find_function(program.module, "main"))]
        if any(made):
            run_pipeline(program.module, FOLD)


def _outside_of_bodies(op: Any) -> list[Any]:
    """The operations in control flow of any depth, not those that compute single elements."""
    found = []
    for child in (view.operation for region in op.regions for block in region.blocks for view in block.operations):
        found.append(child)
        if child.name.startswith("scf."):
            found += _outside_of_bodies(child)
    return found


def _assert_one(op: Any) -> bool:
    """Asserts in front of one operation; whether there were any."""
    with ir.InsertionPoint(op), op.location:
        if op.name == "tensor.expand_shape":
            return _assert_expands(op)
        if op.name == "tensor.reshape":
            return _assert_same_count(op)
        if op.name == "tensor.concat":
            return _assert_concat(op)
        if op.name == "tensor.pad":
            return _assert_pad(op)
        if op.name == "tensor.insert_slice":
            inside = _assert_inside(op, op.operands[1], slice_parts(op, 2))
            return _assert_insert(op) or inside
        if op.name == "tensor.extract_slice":
            return _assert_inside(op, op.operands[0], slice_parts(op, 1))
        return _assert_loops(op)


def _assert_loops(op: Any) -> bool:
    """Operands that one loop runs over have the same size along it, and windows stay inside."""
    maps = indexing_maps(op) if is_loop_nest(op) else None
    if maps is None:
        return False
    loops, pairs = _loop_sizes(op, plain_dims(maps))
    windows = _windows(op, loops)
    for one, two in pairs:
        _assert_equal(one, two, op)
    for place, expression in windows:
        _assert_reach(place, expression, loops, op)
    return bool(pairs or windows)


def _assert_expands(op: Any) -> bool:
    """The sizes that a dimension is split into multiply to its own."""
    dynamic, source = iter(list(op.operands)[1:]), op.operands[0]
    sizes = [next(dynamic) if n == DYNAMIC else n for n in ir.DenseI64ArrayAttr(op.attributes["static_output_shape"])]
    made = False
    for dim, group in enumerate(ir.ArrayAttr(op.attributes["reassociation"])):
        parts = [sizes[ir.IntegerAttr(i).value] for i in ir.ArrayAttr(group)]
        if all(isinstance(n, int) for n in parts) and not _is_free(source, dim):
            continue
        split = "x".join(str(n) if isinstance(n, int) else "?" for n in parts)
        _assert(_product(parts), _size((source, dim)), f"dimension {dim} does not split into {split}{_where(op)}")
        made = True
    return made


def _assert_same_count(op: Any) -> bool:
    """A reshape to computed sizes keeps the number of elements."""
    source, shape = op.operands[0], op.operands[1]
    kinds = [ir.RankedTensorType(v.type) for v in (source, op.results[0])]
    if all(kind.has_static_shape for kind in kinds):
        return False
    index = ir.IndexType.get()
    wanted = []
    for dim in range(kinds[1].rank):
        size = tensor.extract(shape, [arith.constant(index, dim)])
        wanted.append(size if size.type == index else arith.index_cast(index, size))
    count = _product([_size((source, dim)) for dim in range(kinds[0].rank)])
    _assert(_product(wanted), count, f"the new shape has another number of elements{_where(op)}")
    return True


def _assert_concat(op: Any) -> bool:
    """Tensors that are joined along one dimension agree in the others."""
    along = ir.IntegerAttr(op.attributes["dim"]).value
    first, *others = op.operands
    others_dims = [d for d in range(ir.RankedTensorType(first.type).rank) if d != along]
    pairs = [((first, d), (v, d)) for v in others for d in others_dims if _is_free(first, d) or _is_free(v, d)]
    for one, two in pairs:
        _assert_equal(one, two, op)
    return bool(pairs)


def _assert_pad(op: Any) -> bool:
    """Computed amounts of padding are not negative."""
    computed = list(op.operands)[1 : 1 + sum(segment_sizes(op)[1:3])]
    zero = arith.constant(ir.IndexType.get(), 0)
    for amount in computed:
        cf.assert_(arith.cmpi(arith.CmpIPredicate.sge, amount, zero), f"a padding is negative{_where(op)}")
    return bool(computed)


def _assert_insert(op: Any) -> bool:
    """What is inserted has the sizes of the place it is inserted into."""
    source, sizes = op.operands[0], slice_parts(op, 2)[1]
    kind = ir.RankedTensorType(source.type)
    pairs = [(dim, sizes[place]) for dim, place in enumerate(kept_dims(sizes, kind)) if kind.is_dynamic_dim(dim)]
    for dim, size in pairs:
        message = f"sizes do not fit together: dimension {dim} of what is inserted and of its place{_where(op)}"
        _assert(_size((source, dim)), size, message)
    return bool(pairs)


def _assert_inside(op: Any, whole: Any, parts: tuple[list[Index], list[Index], list[Index]]) -> bool:
    """A slice lies inside its tensor, as far as the types do not say so already."""
    made = False
    for dim, (offset, size, stride) in enumerate(zip(*parts, strict=True)):
        numbers = all(isinstance(n, int) for n in (offset, size, stride))
        if (numbers and not _is_free(whole, dim)) or _is_whole(offset, size, stride, (whole, dim)):
            continue
        for amount, what in ((offset, "offset"), (size, "size")):
            if not isinstance(amount, int):
                zero = arith.constant(ir.IndexType.get(), 0)
                cf.assert_(
                    arith.cmpi(arith.CmpIPredicate.sge, amount, zero), f"a slice's {what} is negative{_where(op)}"
                )
        inside = arith.cmpi(arith.CmpIPredicate.sle, _end(offset, size, stride), _size((whole, dim)))
        cf.assert_(inside, f"a slice reaches past dimension {dim} of its tensor{_where(op)}")
        made = True
    return made


def _end(offset: Index, size: Index, stride: Index) -> Any:
    """The place behind a slice's last element."""
    if isinstance(stride, int):
        return index.as_value(index.combine([(offset, 1), (size, stride)], 1 - stride))
    last = arith.muli(index.as_value(index.combine([(size, 1)], -1)), stride)
    return index.as_value(index.combine([(offset, 1), (last, 1)], 1))


def _is_whole(offset: Index, size: Index, stride: Index, place: Place) -> bool:
    """Whether a slice takes a dimension as it is, which is what most do."""
    if (offset, stride) != (0, 1) or isinstance(size, int) or isinstance(size.owner, ir.Block):
        return False
    op = size.owner
    if op.name != "tensor.dim" or op.operands[0] != place[0]:
        return False
    at = op.operands[1].owner
    constant = not isinstance(at, ir.Block) and at.name == "arith.constant"
    return constant and ir.IntegerAttr(at.attributes["value"]).value == place[1]


def _product(sizes: Sequence[Any]) -> Any:
    index = ir.IndexType.get()
    values = [arith.constant(index, n) if isinstance(n, int) else n for n in sizes]
    return functools.reduce(arith.muli, values) if values else arith.constant(index, 1)


def _loop_sizes(op: Any, dims_of: Sequence[Sequence[int | None]]) -> tuple[dict[int, Place], list[tuple[Place, Place]]]:
    """Where each loop's size is read from, and the places that must agree with it."""
    loops: dict[int, Place] = {}
    pairs = []
    for value, dims in zip(op.operands, dims_of, strict=True):
        if not isinstance(value.type, ir.RankedTensorType):
            continue
        for dim, loop in enumerate(dims):
            if loop is None:
                continue
            other = loops.setdefault(loop, (value, dim))
            if other != (value, dim) and (_is_free(*other) or _is_free(value, dim)):
                pairs.append((other, (value, dim)))
    return loops, pairs


def _windows(op: Any, loops: dict[int, Place]) -> list[tuple[Place, Any]]:
    """Dimensions indexed by sums of loops, as convolutions index their input, where a size is free."""
    found = []
    for value, affine_map in zip(op.operands, indexing_maps(op) or [], strict=False):
        for dim, expression in enumerate(affine_map.results):
            involved = loops_in(expression)
            plain = isinstance(expression.maybe_downcast(), ir.AffineDimExpr)
            if plain or not involved or not involved <= loops.keys() or not isinstance(value.type, ir.RankedTensorType):
                continue
            if _is_free(value, dim) or any(_is_free(*loops[i]) for i in involved):
                found.append(((value, dim), expression))
    return found


def _assert_reach(place: Place, expression: Any, loops: dict[int, Place], op: Any) -> None:
    """The last element that a window touches lies inside: its index plus one is at most the size."""
    one = arith.constant(ir.IndexType.get(), 1)
    last = _value_at_end(expression, loops)
    if last is None:
        return
    inside = arith.cmpi(arith.CmpIPredicate.sle, arith.addi(last, one), _size(place))
    cf.assert_(inside, f"a window reaches past dimension {place[1]} of its operand{_where(op)}")


def _value_at_end(expression: Any, loops: dict[int, Place]) -> Any | None:
    """The expression with every loop at its last iteration; None for anything but sums and positive multiples."""
    narrowed = expression.maybe_downcast()
    index = ir.IndexType.get()
    if isinstance(narrowed, ir.AffineDimExpr):
        return arith.subi(_size(loops[int(narrowed.position)]), arith.constant(index, 1))
    if isinstance(narrowed, ir.AffineConstantExpr):
        return arith.constant(index, int(narrowed.value)) if narrowed.value >= 0 else None
    if not isinstance(narrowed, ir.AffineAddExpr | ir.AffineMulExpr):
        return None
    left, right = _value_at_end(narrowed.lhs, loops), _value_at_end(narrowed.rhs, loops)
    if left is None or right is None:
        return None
    return arith.addi(left, right) if isinstance(narrowed, ir.AffineAddExpr) else arith.muli(left, right)


def _size(place: Place) -> Any:
    return tensor.dim(place[0], arith.constant(ir.IndexType.get(), place[1]))


def _is_free(value: Any, dim: int) -> bool:
    return bool(ir.RankedTensorType(value.type).is_dynamic_dim(dim))


def _assert_equal(one: Place, two: Place, op: Any) -> None:
    dims = f"dimension {one[1]} and dimension {two[1]} of the operands"
    _assert(_size(one), _size(two), f"sizes do not fit together: {dims}{_where(op)}")


def _assert(one: Any, two: Any, message: str) -> None:
    cf.assert_(arith.cmpi(arith.CmpIPredicate.eq, one, two), message)


def _where(op: Any) -> str:
    text = str(op.location).removeprefix("loc(").removesuffix(")").strip('"')
    return f" at {text}" if text and text != "unknown" else ""
