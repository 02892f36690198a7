"""When ops may share a kernel: one tiling must fit them all, without computing anything twice."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.schedule.dims import KernelDims, OpLoops, analyse
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    captured,
    input_count,
    inputs,
    is_contraction,
    is_elementwise,
    is_generic,
    is_made_by,
    is_tensor,
)


def may_share_kernel(earlier: list[Any], later: list[Any], readings: dict[Any, OpLoops]) -> bool:
    """Whether `later` ops may be computed in the kernel of `earlier` ops, whose values they read."""
    if not all(is_generic(op) for op in [*earlier, *later]):
        return False
    if _gathers_inside([*earlier, *later]):
        return False
    dims = analyse([*earlier, *later], readings)
    contractions = [op for op in [*earlier, *later] if is_contraction(op)]
    if contractions:
        return _keeps_contraction_tiles(contractions, dims, [*earlier, *later], earlier)
    return _shares_rows(earlier, later, dims)


def _gathers_inside(ops: list[Any]) -> bool:
    """Whether a body picks elements of a value that the kernel itself makes: the element may lie in any tile of it."""
    return any(is_made_by(v, ops) for op in ops for v in captured(op) if is_tensor(v))


def _keeps_contraction_tiles(contractions: list[Any], dims: KernelDims, ops: list[Any], earlier: list[Any]) -> bool:
    """Only elementwise work may follow a contraction, and all its output dimensions must stay tileable."""
    if len(contractions) > 1:
        return _keeps_tiles_of_group(dims, ops, earlier)
    anchor = contractions[0]
    if any(_reduces(dims.loops[op]) for op in ops if op != anchor):
        return False
    if any(is_made_by(v, ops) for v in inputs(anchor) if is_tensor(v)):
        return False
    if anchor in earlier and not _values_stay_inside(earlier, ops):
        return False
    return set(parallel_dims(dims.loops[anchor], dims)) <= set(dims.common)


def _values_stay_inside(earlier: list[Any], ops: list[Any]) -> bool:
    """Whether what the added ops read of the kernel has no reader that could never join it: then each join saves a
    round trip through memory; otherwise the value leaves anyway, and a second result would leave with it."""
    added = set(ops) - set(earlier)
    read = {v for op in added for v in op.operands if is_tensor(v) and is_made_by(v, earlier)}
    users = {use.owner.operation for v in read for use in v.uses}
    return all(user in ops or is_elementwise(user) for user in users)


def _keeps_tiles_of_group(dims: KernelDims, ops: list[Any], earlier: list[Any]) -> bool:
    """A kernel with several contractions (attention) takes elementwise ops that keep its tileable dimensions."""
    before = analyse(earlier, dims_readings(dims))
    added = [op for op in ops if op not in earlier]
    if any(_reduces(dims.loops[op]) for op in added):
        return False
    return len(dims.common) >= len(before.common) > 0


def dims_readings(dims: KernelDims) -> dict[Any, OpLoops]:
    return dict(dims.loops)


def parallel_dims(loops: OpLoops, dims: KernelDims) -> list[int]:
    """Parallel dimensions of an op that run more than once."""
    pairs = zip(loops.dims, loops.iterators, strict=True)
    return [d for d, kind in pairs if kind != REDUCTION and dims.extents[d] != 1]


def _reduces(loops: OpLoops) -> bool:
    return REDUCTION in loops.iterators


def _shares_rows(earlier: list[Any], later: list[Any], dims: KernelDims) -> bool:
    """Row kernels: all ops are cut along the same outer dimensions, what lies inside stays whole."""
    if not dims.common:
        return all(extent == 1 for extent in dims.extents.values())
    if _lost_dims(dims):
        return _feeds_reduction(earlier, later, dims)
    joint = [(op, v) for op in later for v in op.operands if is_tensor(v) and is_made_by(v, earlier)]
    if all(_outer_first(op, value, dims) for op, value in joint):
        return True
    return _feeds_reduction(earlier, later, dims)


def _lost_dims(dims: KernelDims) -> set[int]:
    """Dimensions that some op could be cut along but the kernel cannot, though nothing reduces over them."""
    reduced = {d for loops in dims.loops.values() for i, d in enumerate(loops.dims) if loops.iterators[i] == REDUCTION}
    parallel = {d for loops in dims.loops.values() for d in parallel_dims(loops, dims)}
    return parallel - reduced - set(dims.common)


def _outer_first(op: Any, value: Any, dims: KernelDims) -> bool:
    """Whether `value`, as `op` reads it, has its tiled dimensions outside its whole ones."""
    position = next(i for i, v in enumerate(op.operands) if v == value)
    loops = dims.loops[op]
    order = [loops.dims[r.loop] for r in loops.accesses[position] if r is not None and r.loop is not None]
    tiled = [d in dims.common for d in order if dims.extents[d] != 1]
    return tiled == sorted(tiled, reverse=True)


def _feeds_reduction(earlier: list[Any], later: list[Any], dims: KernelDims) -> bool:
    """Elementwise work flows into one reduction that reads each element once: the result need never be
    stored."""
    if len(later) != 1 or not _reduces(dims.loops[later[0]]):
        return False
    if any(_reduces(dims.loops[op]) for op in earlier):
        return False
    reduction = dims.loops[later[0]]
    covers = set(parallel_dims(reduction, dims)) <= set(dims.common)
    users = {use.owner.operation for op in earlier for r in op.results for use in r.uses}
    return covers and users <= {*earlier, later[0]} and input_count(later[0]) == 1
