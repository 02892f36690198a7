"""Tiles one kernel: plan from the device's numbers, then rewrite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.assign import main_op, working_dtype
from stratagem.compiler.schedule.chosen import take_choice
from stratagem.compiler.schedule.contraction import contraction_shape
from stratagem.compiler.schedule.contraction_tiles import choose_contraction_tiles, with_held
from stratagem.compiler.schedule.cost import ContractionShape
from stratagem.compiler.schedule.dims import KernelDims, analyse
from stratagem.compiler.schedule.footprint import extent, footprints
from stratagem.compiler.schedule.forall import Tiling, tile_to_forall
from stratagem.compiler.schedule.frames import Frame, frame_of, without_frame, write_frame
from stratagem.compiler.schedule.machine import TileTarget, tile_target
from stratagem.compiler.schedule.materialize import Stage
from stratagem.compiler.schedule.pieces import is_pieces, side_tiles, tile_pieces
from stratagem.compiler.schedule.structured import dtype
from stratagem.compiler.schedule.tiles import Choice, choose_row_tiles, outer_sizes
from stratagem.hwmodels import Device


@dataclass(frozen=True)
class Untiled:
    """A kernel that can be tiled: its ops without the frame around them, their dimensions, and what it is tiled for."""

    function: Any
    ops: list[Any]
    framed: Frame | None
    dims: KernelDims
    device: Device
    target: TileTarget

    @property
    def shape(self) -> ContractionShape | None:
        """The roles of its dimensions, where the kernel is one contraction and all that follows its tiles."""
        anchors = kernel.contractions(self.ops)
        if len(anchors) == 1 and set(self.dims.common) >= set(_output_dims(anchors[0], self.dims)):
            return contraction_shape(anchors[0], self.dims)
        return None


def tile_kernel(function: Any, devices: Mapping[str, Device]) -> None:
    """Tiles `function` for the device of its claim; leaves it whole, and says so, where no tiling applies.

    Tiles that the kernel already names (`chosen.py`) are taken; raises PassError where they do not fit its loops.
    """
    claim = kernel.claim(function)
    ops = kernel.body_ops(function)
    if not claim or claim["function"] == kernel.SEQUENTIAL:
        return
    device = devices[claim["class"]]
    if is_pieces(ops):
        tile_pieces(ops, tile_target(device, "copy", dtype(ops[-1].results[0])), device.groups()[0].name)
        return
    untiled = read_untiled(function, device)
    if untiled is None:
        _give_up(function, claim)
        return
    choice = take_choice(untiled.function, untiled.dims) or choose(untiled)
    if (shape := untiled.shape) is not None:
        choice = with_held(choice, shape, untiled.target)
    _claim_bytes(function, untiled.dims, choice, untiled.target)
    _rewrite(untiled, choice)


def read_untiled(function: Any, device: Device) -> Untiled | None:
    """The kernel with its dimensions; None where nothing in it can run in parallel."""
    ops = kernel.body_ops(function)
    framed = frame_of(ops)
    ops = without_frame(ops)
    dims = analyse(ops)
    if not dims.common or not device.groups() or 0 in dims.extents.values():
        return None
    target = tile_target(device, kernel.claim(function)["function"], working_dtype(main_op(ops)))
    return Untiled(function, ops, framed, dims, device, target)


def choose(untiled: Untiled) -> Choice:
    """Tile sizes of the innermost tier, by the kind of kernel."""
    if (shape := untiled.shape) is not None:
        return choose_contraction_tiles(untiled.dims, shape, untiled.target)
    return choose_row_tiles(untiled.dims, untiled.target, repeated_dims(untiled))


def repeated_dims(untiled: Untiled) -> set[int]:
    """Dimensions along which contractions inside the kernel share nothing."""
    return {d for op in kernel.contractions(untiled.ops) for d in _batch_dims(op, untiled.dims)}


def _batch_dims(op: Any, dims: KernelDims) -> set[int]:
    """Dimensions that both operands and the result of a contraction have."""
    loops = dims.loops[op]
    used = [{loops.dims[r.loop] for r in a if r is not None and r.loop is not None} for a in loops.accesses]
    return set.intersection(*used)


def _output_dims(op: Any, dims: KernelDims) -> list[int]:
    loops = dims.loops[op]
    out = {loops.dims[r.loop] for r in loops.accesses[2] if r is not None and r.loop is not None}
    return [d for d in out if dims.extents[d] != 1]


def _rewrite(untiled: Untiled, choice: Choice) -> None:
    """A forall per tier, outermost first; only the innermost one stages and copies. A frame is written before."""
    dims, target, framed = untiled.dims, untiled.target, untiled.framed
    before = kernel.terminator(untiled.function)
    outputs = list(dict.fromkeys(before.operands))
    tiers = [group.name for group in untiled.device.groups()]
    if framed is not None:
        outputs = [framed.value]
        with ir.InsertionPoint(before), framed.insert.location:
            into = write_frame(framed, tiers[-1], lambda sizes, element: side_tiles(sizes, element, target))
        framed = replace(framed, into=into)
    for name, sizes in zip(tiers[:-1], outer_sizes(dims, choice, untiled.device), strict=True):
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
