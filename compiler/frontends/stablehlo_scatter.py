"""stablehlo.scatter as loops over the updates, one window at a time, in order.

An update whose window does not lie fully inside the operand is left out, as XLA does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, scf, tensor

from stratagem.compiler.frontends.stablehlo_scalars import extract_index, inline_scalars
from stratagem.compiler.ir import DYNAMIC

Predicate = arith.CmpIPredicate


@dataclass(frozen=True)
class Dimensions:
    """The dimension numbers of a scatter, named as in the StableHLO specification."""

    update_window: tuple[int, ...]
    inserted_window: tuple[int, ...]
    operand_batching: tuple[int, ...]
    indices_batching: tuple[int, ...]
    scatter_to_operand: tuple[int, ...]
    index_vector: int

    @staticmethod
    def read(attribute: Any) -> Dimensions:
        from torch_mlir._mlir_libs._stablehlo import ScatterDimensionNumbers

        numbers = ScatterDimensionNumbers(attribute)
        return Dimensions(
            tuple(numbers.update_window_dims),
            tuple(numbers.inserted_window_dims),
            tuple(numbers.input_batching_dims),
            tuple(numbers.scatter_indices_batching_dims),
            tuple(numbers.scattered_dims_to_operand_dims),
            int(numbers.index_vector_dim),
        )

    def dropped(self) -> tuple[int, ...]:
        """Operand dimensions that windows do not have."""
        return tuple(sorted(self.inserted_window + self.operand_batching))


@dataclass(frozen=True)
class Scatter:
    """One scatter op, taken apart: `count` operands, their updates, and the region that combines elements."""

    op: Any
    operands: list[Any]
    indices: Any
    updates: list[Any]
    dimensions: Dimensions

    @staticmethod
    def read(op: Any) -> Scatter:
        values = list(op.operands)
        count = (len(values) - 1) // 2
        dimensions = Dimensions.read(op.attributes["scatter_dimension_numbers"])
        return Scatter(op, values[:count], values[count], values[count + 1 :], dimensions)

    def loop_dimensions(self) -> list[int]:
        """The dimensions of the updates that count windows."""
        rank = self.updates[0].type.rank
        return [d for d in range(rank) if d not in self.dimensions.update_window]


def lower_scatter(op: Any) -> None:
    """Replaces a scatter by its loops."""
    scatter = Scatter.read(op)
    with ir.InsertionPoint(op), op.location:
        bounds = [_size(scatter.updates[0], d) for d in scatter.loop_dimensions()]
        results = _loops(scatter, bounds, [], scatter.operands)
    for old, new in zip(op.results, results, strict=True):
        old.replace_all_uses_with(new)
    op.erase()


def _loops(scatter: Scatter, bounds: Sequence[Any], counters: list[Any], current: list[Any]) -> list[Any]:
    """A loop nest over the windows; `current` are the operands so far. Returns them updated."""
    if not bounds:
        return _update(scatter, counters, current)
    loop = scf.ForOp(_index(0), _value(bounds[0]), _index(1), current)
    with ir.InsertionPoint(loop.body):
        inner = [*counters, loop.induction_variable]
        scf.YieldOp(_loops(scatter, bounds[1:], inner, list(loop.inner_iter_args)))
    return list(loop.results)


def _update(scatter: Scatter, counters: list[Any], current: list[Any]) -> list[Any]:
    """Combines one window if it lies inside the operand."""
    starts = _starts(scatter, counters, current[0].type.rank)
    sizes = _window_sizes(scatter, current[0].type.rank)
    inside = _inside(current[0], starts, sizes)
    choice = scf.IfOp(inside, [v.type for v in current], has_else=True)
    with ir.InsertionPoint(choice.then_block):
        scf.YieldOp(_combine(scatter, counters, starts, sizes, current))
    with ir.InsertionPoint(choice.else_block):
        scf.YieldOp(current)
    return list(choice.results)


def _starts(scatter: Scatter, counters: list[Any], rank: int) -> list[Any]:
    """Where the window begins in each dimension of the operand."""
    numbers, starts = scatter.dimensions, [_index(0)] * rank
    for position, dimension in enumerate(numbers.scatter_to_operand):
        at = list(counters)
        if numbers.index_vector < scatter.indices.type.rank:
            at.insert(numbers.index_vector, _index(position))
        starts[dimension] = extract_index(scatter.indices, at)
    for dimension, source in zip(numbers.operand_batching, numbers.indices_batching, strict=True):
        before = sum(1 for d in (numbers.index_vector,) if d < source)
        starts[dimension] = counters[source - before]
    return starts


def _window_sizes(scatter: Scatter, rank: int) -> list[Any]:
    """The window's size in each dimension of the operand; ints where static."""
    dropped, windows = scatter.dimensions.dropped(), iter(scatter.dimensions.update_window)
    return [1 if d in dropped else _size(scatter.updates[0], next(windows)) for d in range(rank)]


def _inside(operand: Any, starts: Sequence[Any], sizes: Sequence[Any]) -> Any:
    tests = []
    for d, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        end = arith.AddIOp(start, _value(size)).result
        tests.append(arith.CmpIOp(Predicate.sge, start, _index(0)).result)
        tests.append(arith.CmpIOp(Predicate.sle, end, _value(_size(operand, d))).result)
    true = arith.ConstantOp(ir.IntegerType.get_signless(1), 1).result
    return reduce(lambda a, b: arith.AndIOp(a, b).result, tests, true)


def _combine(
    scatter: Scatter, counters: list[Any], starts: list[Any], sizes: list[Any], current: list[Any]
) -> list[Any]:
    """Cuts the windows out, combines them elementwise with the region's code, and puts them back."""
    dropped = scatter.dimensions.dropped()
    loops = scatter.loop_dimensions()
    rank = scatter.updates[0].type.rank
    update_starts = [counters[loops.index(d)] if d in loops else 0 for d in range(rank)]
    update_sizes = [1 if d in loops else _size(scatter.updates[0], d) for d in range(rank)]
    old = [_slice(v, starts, sizes, dropped) for v in current]
    new = [_slice(v, update_starts, update_sizes, tuple(loops)) for v in scatter.updates]
    combined = _elementwise(scatter.op, old, new)
    return [_put(w, v, starts, sizes) for w, v in zip(combined, current, strict=True)]


def _elementwise(op: Any, old: list[Any], new: list[Any]) -> list[Any]:
    rank = old[0].type.rank
    identity = ir.AffineMapAttr.get(ir.AffineMap.get_identity(rank))
    parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
    count = len(old)
    generic = linalg.GenericOp(
        [v.type for v in old],
        new,
        old,
        ir.ArrayAttr.get([identity] * (2 * count)),
        ir.ArrayAttr.get([parallel] * rank),
    )
    scalars = [v.type.element_type for v in (*new, *old)]
    block = generic.regions[0].blocks.append(*scalars, arg_locs=[op.location] * len(scalars))
    with ir.InsertionPoint(block):
        arguments = [*list(block.arguments)[count:], *list(block.arguments)[:count]]
        linalg.YieldOp(inline_scalars(op.regions[0].blocks[0], arguments))
    return list(generic.results)


def _slice(value: Any, starts: Sequence[Any], sizes: Sequence[Any], dropped: tuple[int, ...]) -> Any:
    """A window of `value` without the `dropped` dimensions of size 1."""
    shape = [_static(s) for d, s in enumerate(sizes) if d not in dropped]
    kind = ir.RankedTensorType.get(shape, value.type.element_type)
    start_values, start_attribute = _mixed(starts)
    size_values, size_attribute = _mixed(sizes)
    ones = ir.DenseI64ArrayAttr.get([1] * len(sizes))
    return tensor.ExtractSliceOp(
        kind, value, start_values, size_values, [], start_attribute, size_attribute, ones
    ).result


def _put(window: Any, value: Any, starts: Sequence[Any], sizes: Sequence[Any]) -> Any:
    start_values, start_attribute = _mixed(starts)
    size_values, size_attribute = _mixed(sizes)
    ones = ir.DenseI64ArrayAttr.get([1] * len(sizes))
    return tensor.InsertSliceOp(
        window, value, start_values, size_values, [], start_attribute, size_attribute, ones
    ).result


def _mixed(values: Sequence[Any]) -> tuple[list[Any], Any]:
    """Splits offsets or sizes into the dynamic values and the static attribute that MLIR wants."""
    return [v for v in values if not isinstance(v, int)], ir.DenseI64ArrayAttr.get([_static(v) for v in values])


def _static(value: Any) -> int:
    return value if isinstance(value, int) else int(DYNAMIC)


def _size(value: Any, dimension: int) -> Any:
    """A dimension's size: an int where static, else a `tensor.dim`."""
    kind = value.type
    if not kind.is_dynamic_dim(dimension):
        return int(kind.get_dim_size(dimension))
    return tensor.DimOp(value, _index(dimension)).result


def _value(size: Any) -> Any:
    return _index(size) if isinstance(size, int) else size


def _index(number: int) -> Any:
    return arith.ConstantOp(ir.IndexType.get(), number).result
