"""A kernel that can be tiled, with its dimensions and what it is tiled for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.assign import main_op, working_dtype
from stratagem.compiler.schedule.contraction import contraction_shape
from stratagem.compiler.schedule.cost import ContractionShape
from stratagem.compiler.schedule.dims import KernelDims, analyse
from stratagem.compiler.schedule.frames import Frame, frame_of, without_frame
from stratagem.compiler.schedule.library import claimed_library
from stratagem.compiler.schedule.machine import TileTarget, tile_target
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
    def has_fixed_sizes(self) -> bool:
        """Whether all extents are known before the program runs."""
        return None not in self.dims.extents.values()

    def on(self, device: Device) -> Untiled:
        """The same kernel on another device of the same structure."""
        return replace(self, device=device, target=_target(self.function, self.ops, device))

    @property
    def shape(self) -> ContractionShape | None:
        """The roles of its dimensions, where the kernel is one contraction and all that follows its tiles."""
        anchors = kernel.contractions(self.ops)
        if len(anchors) == 1 and set(self.dims.common) >= set(_output_dims(anchors[0], self.dims)):
            return contraction_shape(anchors[0], self.dims)
        return None


def read_untiled(function: Any, device: Device) -> Untiled | None:
    """The kernel with its dimensions; None where nothing in it can run in parallel."""
    ops = kernel.body_ops(function)
    framed = frame_of(ops)
    ops = without_frame(ops)
    dims = analyse(ops)
    if not dims.common or not device.groups() or 0 in dims.extents.values():
        return None
    return Untiled(function, ops, framed, dims, device, _target(function, ops, device))


def _target(function: Any, ops: list[Any], device: Device) -> TileTarget:
    """The device as a kernel of these ops sees it, done by the unit that it claims."""
    work, kind = kernel.claim(function)["function"], working_dtype(main_op(ops))
    return tile_target(device, work, kind, claimed_library(function, device))


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
