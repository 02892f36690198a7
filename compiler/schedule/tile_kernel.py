"""Tiles one kernel: plan from the device's numbers, then rewrite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.chosen import take_choice
from stratagem.compiler.schedule.contraction_tiles import choose_contraction_tiles, with_held
from stratagem.compiler.schedule.dims import KernelDims
from stratagem.compiler.schedule.estimate import record_estimate
from stratagem.compiler.schedule.footprint import extent, footprints
from stratagem.compiler.schedule.forall import Tiling, tile_to_forall
from stratagem.compiler.schedule.frames import write_frame
from stratagem.compiler.schedule.machine import TileTarget, tile_target
from stratagem.compiler.schedule.materialize import Stage
from stratagem.compiler.schedule.pieces import is_pieces, side_tiles, tile_pieces
from stratagem.compiler.schedule.structured import dtype
from stratagem.compiler.schedule.tiles import Choice, choose_row_tiles, outer_sizes
from stratagem.compiler.schedule.untiled import Untiled, read_untiled, repeated_dims
from stratagem.hwmodels import Device


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
    choice = tiles_of(untiled)
    _claim_bytes(function, untiled.dims, choice, untiled.target)
    record_estimate(untiled, choice)
    _rewrite(untiled, choice)


def tiles_of(untiled: Untiled) -> Choice:
    """The tiles that a kernel names (which takes the name away), else the chosen ones, with the bytes they hold."""
    choice = take_choice(untiled.function, untiled.dims) or choose(untiled)
    shape = untiled.shape
    return choice if shape is None else with_held(choice, shape, untiled.target)


def choose(untiled: Untiled) -> Choice:
    """Tile sizes of the innermost tier, by the kind of kernel."""
    if (shape := untiled.shape) is not None:
        return choose_contraction_tiles(untiled.dims, shape, untiled.target)
    return choose_row_tiles(untiled.dims, untiled.target, repeated_dims(untiled))


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
    kernel.set_claim(function, {**claim, "function": kernel.SEQUENTIAL}, kernel.candidates(function))


def _claim_bytes(function: Any, dims: KernelDims, choice: Choice, target: TileTarget) -> None:
    if target.call is not None:  # what a library keeps where is its own affair
        return
    sizes = {d: extent(dims, d) for d in dims.extents} | choice.sizes | dict(choice.stages)
    total = choice.held if choice.held is not None else sum(f.bytes(sizes) for f in footprints(dims))
    number = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), total)
    level = target.near_level if target.copies else target.far_level
    function.attributes["device.bytes"] = ir.DictAttr.get({level: number})
