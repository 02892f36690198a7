"""Tiles one kernel: plan from the device's numbers, then rewrite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.assign import main_op, working_dtype
from stratagem.compiler.schedule.contraction import contraction_shape
from stratagem.compiler.schedule.dims import KernelDims, analyse
from stratagem.compiler.schedule.footprint import extent, footprints
from stratagem.compiler.schedule.forall import Tiling, tile_to_forall
from stratagem.compiler.schedule.frames import Frame, frame_of, without_frame, write_frame
from stratagem.compiler.schedule.machine import TileTarget, tile_target
from stratagem.compiler.schedule.materialize import Stage
from stratagem.compiler.schedule.pieces import is_pieces, side_tiles, tile_pieces
from stratagem.compiler.schedule.structured import dtype
from stratagem.compiler.schedule.tiles import Choice, choose_contraction_tiles, choose_row_tiles, outer_sizes
from stratagem.hwmodels import Device


def tile_kernel(function: Any, devices: Mapping[str, Device]) -> None:
    """Tiles `function` for the device of its claim; leaves it whole, and says so, where no tiling applies."""
    claim = kernel.claim(function)
    ops = kernel.body_ops(function)
    if not claim or claim["function"] == kernel.SEQUENTIAL:
        return
    device = devices[claim["class"]]
    if is_pieces(ops):
        tile_pieces(ops, tile_target(device, "copy", dtype(ops[-1].results[0])), device.groups()[0].name)
        return
    framed = frame_of(ops)
    ops = without_frame(ops)
    dims = analyse(ops)
    if not dims.common or not device.groups() or 0 in dims.extents.values():
        _give_up(function, claim)
        return
    target = tile_target(device, claim["function"], working_dtype(main_op(ops)))
    choice = choose(ops, dims, target)
    _claim_bytes(function, dims, choice, target)
    _rewrite(function, dims, choice, device, target, framed)


def choose(ops: list[Any], dims: KernelDims, target: TileTarget) -> Choice:
    """Tile sizes of the innermost tier, by the kind of kernel."""
    anchors = kernel.contractions(ops)
    if len(anchors) == 1 and set(dims.common) >= set(_output_dims(anchors[0], dims)):
        return choose_contraction_tiles(dims, contraction_shape(anchors[0], dims), target)
    repeated = {d for op in anchors for d in _batch_dims(op, dims)}
    return choose_row_tiles(dims, target, repeated)


def _batch_dims(op: Any, dims: KernelDims) -> set[int]:
    """Dimensions that both operands and the result of a contraction have."""
    loops = dims.loops[op]
    used = [{loops.dims[r.loop] for r in a if r is not None and r.loop is not None} for a in loops.accesses]
    return set.intersection(*used)


def _output_dims(op: Any, dims: KernelDims) -> list[int]:
    loops = dims.loops[op]
    out = {loops.dims[r.loop] for r in loops.accesses[2] if r is not None and r.loop is not None}
    return [d for d in out if dims.extents[d] != 1]


def _rewrite(
    function: Any, dims: KernelDims, choice: Choice, device: Device, target: TileTarget, framed: Frame | None
) -> None:
    """A forall per tier, outermost first; only the innermost one stages and copies. A frame is written before."""
    outputs = list(dict.fromkeys(kernel.terminator(function).operands))
    before = kernel.terminator(function)
    tiers = [group.name for group in device.groups()]
    if framed is not None:
        outputs = [framed.value]
        with ir.InsertionPoint(before), framed.insert.location:
            into = write_frame(framed, tiers[-1], lambda sizes, element: side_tiles(sizes, element, target))
        framed = replace(framed, into=into)
    for name, sizes in zip(tiers[:-1], outer_sizes(dims, choice, device), strict=True):
        made = tile_to_forall(outputs, before, dims, Tiling(name, sizes))
        outputs, dims = list(dict.fromkeys(made.tiles)), made.dims
        before = list(made.block.operations)[-1].operation
    stages = tuple(Stage(d, size, target.near_level) for d, size in choice.stages)
    copied_to = target.near_level if target.copies else None
    tile_to_forall(outputs, before, dims, Tiling(tiers[-1], choice.sizes, stages, copied_to), framed)


def _give_up(function: Any, claim: dict[str, str]) -> None:
    """Kernels with nothing to run in parallel stay one sequence."""
    candidates = [
        ir.StringAttr(a).value for a in ir.ArrayAttr(ir.DictAttr(function.attributes[kernel.KERNEL])["candidates"])
    ]
    kernel.set_claim(function, {**claim, "function": kernel.SEQUENTIAL}, candidates)


def _claim_bytes(function: Any, dims: KernelDims, choice: Choice, target: TileTarget) -> None:
    sizes = {d: extent(dims, d) for d in dims.extents} | choice.sizes | dict(choice.stages)
    total = choice.held if choice.held is not None else sum(f.bytes(sizes) for f in footprints(dims))
    number = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), total)
    level = target.near_level if target.copies else target.far_level
    function.attributes["device.bytes"] = ir.DictAttr.get({level: number})
