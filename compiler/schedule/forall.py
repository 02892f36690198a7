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
from stratagem.compiler.schedule.destination import destination_of
from stratagem.compiler.schedule.dims import KernelDims, OpLoops
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.frames import Frame, shifted
from stratagem.compiler.schedule.materialize import Materializer, Stage
from stratagem.compiler.schedule.region import Range, Region
from stratagem.compiler.schedule.structured import (
    Access,
    accesses,
    input_count,
    loop_extents,
    owner,
)


@dataclass(frozen=True)
class Tiling:
    """Tile sizes per kernel dimension for the units of `tier`, the staging loops inside a tile, and the memory that
    tiles are copied to (None: addressed directly)."""

    tier: str
    sizes: Mapping[int, int]
    stages: tuple[Stage, ...] = ()
    copied_to: str | None = None


@dataclass
class Tiled:
    """A forall that was made: the op, the dimensions of the ops inside it, and the tiles that it puts
    back."""

    forall: Any
    dims: KernelDims
    tiles: list[Any]

    @property
    def block(self) -> Any:
        return self.forall.regions[0].blocks[0]


def tile_to_forall(
    outputs: Sequence[Any], before: Any, dims: KernelDims, tiling: Tiling, frame: Frame | None = None
) -> Tiled:
    """Emits the forall before op `before` and uses its results in place of `outputs`; erases what became
    dead. With a `frame`, whose value is the only output, it writes into that, and takes its place."""
    order = _worth_cutting([d for d in dims.common if d in tiling.sizes], dims, tiling.sizes)
    with ir.InsertionPoint(before), owner(outputs[0]).location:
        sizes = {d: _extent(dims, d, outputs) for d in order}
        targets = [destination_of(v) for v in outputs]
        steps = [tiling.sizes[d] for d in order]
        written = targets if frame is None else [frame.into]
        emitted = scf.ForallOp([0] * len(order), [sizes[d] for d in order], steps, written)
        emitted.operation.attributes["device.tier"] = ir.StringAttr.get(tiling.tier)
        offsets = {} if frame is None else {targets[0]: frame.offsets}
        cuts = {d: (sizes[d], tiling.sizes[d]) for d in order}
        made = _fill_body(emitted, dims, outputs, targets, cuts, tiling, offsets)
    replaced = outputs if frame is None else [frame.insert.results[0]]
    for old, new in zip(replaced, emitted.results, strict=True):
        old.replace_all_uses_with(new)
    erase_dead(before.block)
    return made


def _worth_cutting(order: list[int], dims: KernelDims, sizes: Mapping[int, int]) -> list[int]:
    """Dimensions that have more than one tile; one of them at least, since a phase needs a forall."""
    cut = [d for d in order if (known := dims.extents[d]) is None or sizes[d] < known]
    return cut or order[:1]


def _fill_body(
    emitted: Any,
    dims: KernelDims,
    outputs: Sequence[Any],
    targets: list[Any],
    cuts: Mapping[int, tuple[index.Index, int]],
    tiling: Tiling,
    offsets: Mapping[Any, tuple[int, ...]],
) -> Tiled:
    views = list(emitted.inner_iter_args)
    with ir.InsertionPoint(emitted.body):
        ranges = {}
        for (dim, (size, tile)), offset in zip(cuts.items(), emitted.induction_variables, strict=True):
            ranges[dim] = Range(offset, index.clamp(tile, size, offset))
        scope = Materializer(dims, dict(zip(targets, views, strict=True)), tiling.stages, tiling.copied_to, offsets)
        parts = [_output_region(dims, v, ranges) for v in outputs]
        tiles = [scope.tile(v, part) for v, part in zip(outputs, parts, strict=True)]
        places = [shifted(p, offsets[t]) if t in offsets else p for p, t in zip(parts, targets, strict=True)]
        terminator = scf.InParallelOp()
        with ir.InsertionPoint(terminator.block):
            for made, view, place in zip(tiles, views, places, strict=True):
                region.parallel_insert(made, view, place)
    return Tiled(emitted.operation, _dims_inside(dims, scope.clones), tiles)


def _dims_inside(dims: KernelDims, clones: list[tuple[Any, Any]]) -> KernelDims:
    """The same dimensions, for the ops on tiles."""
    loops, extents = {}, dict.fromkeys(dims.extents)
    for old, new in clones:
        known = dims.loops[old]
        loops[new] = OpLoops(new, accesses(new), known.iterators, loop_extents(new), list(known.dims))
        for d, size in zip(known.dims, loops[new].extents, strict=True):
            extents[d] = size if size is not None else extents[d]
    return KernelDims(loops, extents, dims.common)


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
        parts.append(ranges.get(dim) or Range(0, extent(value, position), whole=True))
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
