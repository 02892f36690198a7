"""Operators by others, for those that the wheel does not lower: used when it refuses, or where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stratagem.compiler.frontends.onnx.affine_grid import affine_grid
from stratagem.compiler.frontends.onnx.col2im import col2im
from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.grid_sample import grid_sample
from stratagem.compiler.frontends.onnx.resize import resize
from stratagem.compiler.frontends.onnx.sampling import deform_conv, roi_align
from stratagem.compiler.frontends.onnx.signal import dft, stft
from stratagem.compiler.frontends.onnx.tensor_scatter import tensor_scatter
from stratagem.compiler.frontends.onnx.transposed import conv_transpose
from stratagem.compiler.frontends.onnx.windows import lp_pool, max_unpool, pad

Rewrite = Callable[[Graph, Any], Sequence[Any] | None]
"""A node to the nodes that replace it; None where it stays, for now or for good."""

DEFINITIONS: dict[str, Rewrite] = {
    "AffineGrid": affine_grid,
    "Col2Im": col2im,
    "ConvTranspose": conv_transpose,
    "DFT": dft,
    "DeformConv": deform_conv,
    "GridSample": grid_sample,
    "LpPool": lp_pool,
    "MaxUnpool": max_unpool,
    "Pad": pad,
    "Resize": resize,
    "RoiAlign": roi_align,
    "STFT": stft,
    "TensorScatter": tensor_scatter,
}

ALWAYS = frozenset({
    "AffineGrid", "Col2Im", "DFT", "DeformConv", "GridSample", "MaxUnpool", "RoiAlign", "STFT", "TensorScatter",
})  # fmt: skip
"""Operators without a right lowering in the wheel."""


def wrong_in_the_wheel(one: Any) -> bool:
    """Whether the wheel's lowering of this form of an operator in `DEFINITIONS` gives wrong values."""
    if one.op_type != "Resize":
        return one.op_type in ALWAYS
    scaled = len(one.input) > 2 and bool(one.input[2])
    return scaled and attributes(one).get("coordinate_transformation_mode", "half_pixel") == "align_corners"
