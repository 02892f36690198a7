"""Fourier transforms: PyTorch's own decompositions into `_fft_c2c`, `_fft_r2c` and `_fft_c2r`, which
`torch_complex_rules` has.
"""

from __future__ import annotations

from torch._decomp import core_aten_decompositions

from stratagem.compiler.frontends.torch_ops.registry import decomposes

_NAMES = ("aten::fft_", "aten::stft", "aten::istft")

for _operator, _rule in core_aten_decompositions().items():
    if _operator.name().startswith(_NAMES):
        decomposes(_operator)(_rule)
