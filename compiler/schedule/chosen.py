"""Tiles that a kernel names before it is tiled: attribute `device.tiles`, written by a tuner or by hand.

`{sizes = array<i64: 64, 256>, stages = [array<i64: 2, 512>]}`: a size for each dimension that can be tiled, in the
order of the result, and (dimension, step) of each reduction that is cut, outermost first.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import symbol_name
from stratagem.compiler.schedule.dims import KernelDims
from stratagem.compiler.schedule.footprint import extent
from stratagem.compiler.schedule.tiles import Choice
from stratagem.runtime.errors import PassError

TILES = "device.tiles"


def write_choice(function: Any, dims: KernelDims, choice: Choice) -> None:
    """Names the tiles of a kernel; `tile-kernels` takes them."""
    sizes = ir.DenseI64ArrayAttr.get([choice.sizes[d] for d in dims.common])
    stages = ir.ArrayAttr.get([ir.DenseI64ArrayAttr.get(list(stage)) for stage in choice.stages])
    function.attributes[TILES] = ir.DictAttr.get({"sizes": sizes, "stages": stages})


def take_choice(function: Any, dims: KernelDims) -> Choice | None:
    """The tiles that a kernel names, and the name removed; None where it names none.

    Raises PassError where they do not fit the kernel's dimensions.
    """
    if TILES not in function.attributes:
        return None
    entries = ir.DictAttr(function.attributes[TILES])
    del function.attributes[TILES]
    sizes = list(ir.DenseI64ArrayAttr(entries["sizes"]))
    stages = tuple((int(one[0]), int(one[1])) for one in map(ir.DenseI64ArrayAttr, ir.ArrayAttr(entries["stages"])))
    if len(sizes) != len(dims.common):
        raise _misfit(function, f"{len(sizes)} sizes for {len(dims.common)} dimensions that can be tiled")
    for d, size in [*zip(dims.common, sizes, strict=True), *stages]:
        if d not in dims.extents or not 1 <= size <= extent(dims, d):
            whole = extent(dims, d) if d in dims.extents else "unknown"
            raise _misfit(function, f"size {size} for dimension {d}, whose extent is {whole}")
    return Choice(dict(zip(dims.common, sizes, strict=True)), stages)


def _misfit(function: Any, what: str) -> PassError:
    return PassError(f"kernel {symbol_name(function)}: attribute {TILES} gives {what}", hint="remove the attribute")
