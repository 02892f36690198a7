"""Regions: which part of a tensor a tile is, and the slices that take it out and put it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import tensor

from stratagem.compiler.ir import DYNAMIC
from stratagem.compiler.schedule import index
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.index import Index
from stratagem.compiler.schedule.structured import Access, Linear


@dataclass(frozen=True)
class Range:
    """Elements `offset, offset + stride, ...`, `size` of them. `whole` ranges cover their dimension."""

    offset: Index
    size: Index
    stride: int = 1
    whole: bool = False


Region = tuple[Range, ...]


def is_whole(region: Region) -> bool:
    return all(r.whole for r in region)


def read_region(value: Any, access: Access, loops: list[Range]) -> Region:
    """What iterations `loops` of an op read of `value` through `access`: one range per dimension.

    Sizes are read from values that stay: `value` itself may be replaced by what is being made of it. The range of `2*i
    + k` with i in [a, a+n) and k in [b, b+m) starts at 2a + b and has 2(n-1) + (m-1) + 1 elements; where all but one
    loop are a single iteration, it is strided instead and has n elements.
    """
    return tuple(_dimension_range(value, i, result, loops) for i, result in enumerate(access))


def _dimension_range(value: Any, position: int, result: Linear | None, loops: list[Range]) -> Range:
    if result is None or all(loops[loop].whole for loop, _ in result.terms):
        return Range(0, extent(value, position), whole=True)
    offset = index.combine([(loops[loop].offset, factor) for loop, factor in result.terms], result.constant)
    wide = wide_terms(result, loops)
    if len(wide) == 1:
        loop, factor = wide[0]
        return Range(offset, loops[loop].size, factor)
    span = index.combine([(loops[loop].size, factor) for loop, factor in wide], 1 - sum(f for _, f in wide))
    return Range(offset, span)


def wide_terms(result: Linear, loops: list[Range]) -> list[tuple[int, int]]:
    """The terms whose loop runs more than once."""
    return [(loop, factor) for loop, factor in result.terms if loops[loop].size != 1]


def local_access(access: Access, loops: list[Range]) -> Access:
    """How an op on the tiles that `read_region` describes reads them."""
    return tuple(_local(result, loops) for result in access)


def _local(result: Linear | None, loops: list[Range]) -> Linear | None:
    if result is None or all(loops[loop].whole for loop, _ in result.terms):
        return result
    wide = wide_terms(result, loops)
    if len(wide) == 1:
        return Linear(((wide[0][0], 1),))
    return Linear(tuple(wide)) if wide else Linear(((result.terms[0][0], 1),))


def is_nothing(region: Region) -> bool:
    """Whether a region is known to have no elements."""
    return any(isinstance(r.size, int) and r.size == 0 for r in region)


def tile_type(value: Any, region: Region) -> Any:
    sizes = [r.size if isinstance(r.size, int) else DYNAMIC for r in region]
    return ir.RankedTensorType.get(sizes, value.type.element_type)


def extract(value: Any, region: Region) -> Any:
    """`tensor.extract_slice` of a region; the value itself when that is all of it. A slice of no elements is no slice:
    MLIR refuses one at the end of its tensor."""
    if is_whole(region):
        return value
    if is_nothing(region):
        return empty(value, region)
    parts = _parts(region)
    return tensor.ExtractSliceOp(tile_type(value, region), value, *parts).result


def empty(value: Any, region: Region) -> Any:
    """`tensor.empty` with the type of that part of `value`."""
    return tensor.empty([r.size for r in region], value.type.element_type)


def insert(tile: Any, target: Any, region: Region) -> Any:
    """`tensor.insert_slice` of `tile` at `region` of `target`."""
    if is_nothing(region):
        return target
    return tensor.InsertSliceOp(tile, target, *_parts(region)).result


def parallel_insert(tile: Any, target: Any, region: Region) -> None:
    """`tensor.parallel_insert_slice`, for the end of an scf.forall. Index ops must exist already."""
    tensor.ParallelInsertSliceOp(tile, target, *_parts(region))


def _parts(region: Region) -> tuple[Any, ...]:
    offsets, sizes = [r.offset for r in region], [r.size for r in region]
    dynamic = [[v for v in values if not isinstance(v, int)] for values in (offsets, sizes)]
    static = [[v if isinstance(v, int) else DYNAMIC for v in values] for values in (offsets, sizes)]
    strides = [r.stride for r in region]
    return dynamic[0], dynamic[1], [], static[0], static[1], strides
