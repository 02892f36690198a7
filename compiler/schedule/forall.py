"""Turns straight-line tensor code into an scf.forall over tiles.

Before: ops in a block, and the values that leave it. After: one forall whose body computes a tile of each of these
values and puts it back with `parallel_insert_slice`. Works on a kernel's body and, again, on the body of a forall: that
is how inner tiers (threads of a unit) are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import scf

from stratagem.compiler.schedule import index, region
from stratagem.compiler.schedule.clone import erase_dead
from stratagem.compiler.schedule.dims import KernelDims, analyse
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.materialize import Materializer, Stage
from stratagem.compiler.schedule.region import Range, Region
from stratagem.compiler.schedule.structured import Access, inits, input_count, is_fill, is_structured, owner


@dataclass(frozen=True)
class Tiling:
    """Tile sizes per kernel dimension for the units of `tier`, and the staging loops inside a tile."""

    tier: str
    sizes: Mapping[int, int]
    stages: tuple[Stage, ...] = ()


def destination_of(value: Any) -> Any:
    """The tensor that `value` finally overwrites: the end of its chain of inits."""
    op = owner(value)
    while op is not None and is_structured(op):
        value = inits(op)[next(i for i, r in enumerate(op.results) if r == value)]
        op = owner(value)
    return value


def tile_to_forall(outputs: Sequence[Any], before: Any, ops: Sequence[Any], tiling: Tiling) -> list[Any]:
    """Emits the forall before op `before`; returns its results, one per output. The old ops are left for erasing."""
    dims = analyse(list(ops))
    order = [d for d in dims.common if d in tiling.sizes]
    with ir.InsertionPoint(before), outputs[0].owner.location:
        sizes = {d: _extent(dims, d, outputs) for d in order}
        targets = [destination_of(v) for v in outputs]
        steps = [tiling.sizes[d] for d in order]
        emitted = scf.ForallOp([0] * len(order), [sizes[d] for d in order], steps, targets)
        emitted.operation.attributes["device.tier"] = ir.StringAttr.get(tiling.tier)
        _fill_body(emitted, dims, outputs, targets, {d: (sizes[d], tiling.sizes[d]) for d in order}, tiling.stages)
    return list(emitted.results)


def _fill_body(
    emitted: Any,
    dims: KernelDims,
    outputs: Sequence[Any],
    targets: list[Any],
    cuts: Mapping[int, tuple[index.Index, int]],
    stages: tuple[Stage, ...],
) -> None:
    views = list(emitted.inner_iter_args)
    with ir.InsertionPoint(emitted.body):
        ranges = {}
        for (dim, (size, tile)), offset in zip(cuts.items(), emitted.induction_variables, strict=True):
            ranges[dim] = Range(offset, index.clamp(tile, size, offset))
        scope = Materializer(dims, dict(zip(targets, views, strict=True)), stages)
        parts = [_output_region(dims, v, ranges) for v in outputs]
        tiles = [scope.tile(v, part) for v, part in zip(outputs, parts, strict=True)]
        terminator = scf.InParallelOp()
        with ir.InsertionPoint(terminator.block):
            for made, view, part in zip(tiles, views, parts, strict=True):
                region.parallel_insert(made, view, part)


def output_access(dims: KernelDims, value: Any) -> tuple[Any, Access]:
    """The generic that makes `value`, and the access by which it writes it."""
    op = owner(value)
    position = next(i for i, r in enumerate(op.results) if r == value)
    return op, dims.loops[op].accesses[input_count(op) + position]


def _output_region(dims: KernelDims, value: Any, ranges: Mapping[int, Range]) -> Region:
    op, access = output_access(dims, value)
    loops = dims.loops[op].dims
    parts = []
    for position, result in enumerate(access):
        dim = loops[result.loop] if result is not None and result.loop is not None else -1
        whole = Range(0, extent(value, position), whole=True)
        parts.append(ranges.get(dim, whole))
    return tuple(parts)


def _extent(dims: KernelDims, dim: int, outputs: Sequence[Any]) -> index.Index:
    known = dims.extents[dim]
    if known is not None:
        return known
    for value in outputs:
        op, access = output_access(dims, value)
        for position, result in enumerate(access):
            if result is not None and result.loop is not None and dims.loops[op].dims[result.loop] == dim:
                return extent(value, position)
    raise AssertionError("a tiled dimension is a dimension of every output")


def replace(outputs: Sequence[Any], results: Sequence[Any], block: Any) -> None:
    """Uses `results` in place of `outputs`, then erases what computed these."""
    for old, new in zip(outputs, results, strict=True):
        old.replace_all_uses_with(new)
    erase_dead(block)


def is_output_fill(value: Any) -> bool:
    op = owner(value)
    return op is not None and is_fill(op)
