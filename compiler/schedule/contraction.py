"""Reads the roles of a contraction's loops: which are rows, columns, depth, batch and window."""

from __future__ import annotations

from math import prod
from typing import Any

from stratagem.compiler.schedule.cost import ContractionShape
from stratagem.compiler.schedule.dims import KernelDims, OpLoops
from stratagem.compiler.schedule.footprint import extent
from stratagem.compiler.schedule.structured import REDUCTION, Access, dtype, dtype_bytes


def contraction_shape(op: Any, dims: KernelDims) -> ContractionShape:
    """The shape of contraction `op` in kernel dimensions. Extra rows, columns or depths count as repetitions.

    Columns are the side whose dimension lies innermost in the result: vectors run along it.
    """
    loops = dims.loops[op]
    left, right, out = (_dims_of(a, loops.dims) for a in loops.accesses[:3])
    reduced = {d for i, d in enumerate(loops.dims) if loops.iterators[i] == REDUCTION}
    window = tuple(d for d in loops.dims if d in reduced and _slides(d, loops.accesses, loops.dims))
    rows = [d for d in loops.dims if d in out and d in left and d not in right]
    columns = [d for d in loops.dims if d in out and d in right and d not in left]
    depths = [d for d in loops.dims if d in reduced and d not in window]
    innermost = _innermost(loops.accesses[2], loops.dims, dims)
    if innermost in rows:
        rows, columns = columns, rows
    elif innermost is not None and innermost not in columns:  # a filter for each channel, channels last
        columns = [innermost]
    m, n, k = (_last_wide(found, dims) for found in (rows, columns, depths))
    picture_rows = bool(window) and any(_slides(d, loops.accesses, loops.dims) for d in rows)
    side = (rows if picture_rows else columns) if window else []
    extra = _last_wide([d for d in side if d not in (m, n) and extent(dims, d) > 1], dims)
    rest = [d for d in dims.extents if d in out and d not in (m, n, extra)]
    return ContractionShape(
        m=m,
        n=n,
        k=k,
        window=window,
        extra=extra,
        extra_rows=picture_rows,
        rows=_extent_of(dims, m),
        columns=_extent_of(dims, n),
        depth=_extent_of(dims, k),
        extra_extent=_extent_of(dims, extra),
        batch=_product(dims, rest),
        taps=_product(dims, [d for d in reduced if d != k]),
        element=dtype_bytes(dtype(op.operands[0])),
        stride=max((_step(op, i, k, loops) for i, side in enumerate((left, right)) if n in side), default=1),
    )


def _step(op: Any, operand: int, depth: int | None, loops: OpLoops) -> int:
    """Elements between neighbours along the depth in an operand; 1 where it does not move."""
    sizes = list(op.operands[operand].type.shape)
    for place, result in enumerate(loops.accesses[operand]):
        if result is not None and depth in {loops.dims[loop] for loop, _ in result.terms}:
            return prod(max(size, 1) for size in sizes[place + 1 :])
    return 1


def _extent_of(dims: KernelDims, dim: int | None) -> int:
    return 1 if dim is None else extent(dims, dim)


def _innermost(access: Access, loops: list[int], dims: KernelDims) -> int | None:
    wide = [loops[r.loop] for r in access if r is not None and r.loop is not None]
    wide = [d for d in wide if extent(dims, d) > 1]
    return wide[-1] if wide else None


def _dims_of(access: Access, dims: list[int]) -> set[int]:
    return {dims[loop] for r in access if r is not None for loop, _ in r.terms}


def _slides(dim: int, accesses: list[Access], dims: list[int]) -> bool:
    """Whether a dimension is read together with another in one subscript, as a window does."""
    return any(
        len(r.terms) > 1 and dim in {dims[loop] for loop, _ in r.terms} for a in accesses for r in a if r is not None
    )


def _last_wide(found: list[int], dims: KernelDims) -> int | None:
    wide = [d for d in found if extent(dims, d) > 1]
    return wide[-1] if wide else (found[-1] if found else None)


def _product(dims: KernelDims, found: list[int]) -> int:
    total = 1
    for d in found:
        total *= extent(dims, d)
    return total
