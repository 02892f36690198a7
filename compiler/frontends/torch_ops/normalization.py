"""Layer and group normalization as PyTorch computes them on a CPU: in f32 for types of 16 bits and f32.

Written with a variance, which PyTorch computes in f64, every element would be converted, twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten
Normalized = tuple[Tensor, Tensor, Tensor]
"""What is normalized, the mean, and the reciprocal of the deviation, all in the type of what is given."""


@decomposes(aten.native_layer_norm.default)
def layer_norm(x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float) -> Normalized:
    result, mean, scale = _normalized(x, list(range(x.ndim - len(shape), x.ndim)), eps)
    return _scaled(result, weight, bias).to(x.dtype), mean.to(x.dtype), scale.to(x.dtype)


@decomposes(aten.native_group_norm.default)
def group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> Normalized:
    result, mean, scale = _normalized(x.reshape(N, group, C // group * HxW), [2], eps)
    of_channel = [1, C, *[1] * (x.ndim - 2)]
    weight, bias = (None if v is None else v.reshape(of_channel) for v in (weight, bias))
    result = _scaled(result.reshape(x.shape), weight, bias)
    return result.to(x.dtype), mean.squeeze(2).to(x.dtype), scale.squeeze(2).to(x.dtype)


def _normalized(x: Tensor, dims: list[int], eps: float) -> Normalized:
    wide = x if x.dtype == torch.float64 else x.to(torch.float32)
    mean = wide.mean(dims, keepdim=True)
    centred = wide - mean
    scale = torch.rsqrt((centred * centred).mean(dims, keepdim=True) + eps)
    return centred * scale, mean, scale


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias
