"""Tensors made from sizes and numbers: all of them by `full` and `empty`, which the wheel takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten


@decomposes(aten.empty_strided.default)
def empty_strided(size: Sequence[int], stride: Sequence[int], *, dtype: Any = None, **_: Any) -> Tensor:
    """The elements have no values yet, so their order in memory says nothing."""
    return torch.full(size, 0, dtype=dtype or torch.get_default_dtype())


@decomposes(aten.full_like.default)
def full_like(x: Tensor, value: Any, *, dtype: Any = None, **_: Any) -> Tensor:
    return torch.full(x.shape, value, dtype=dtype or x.dtype)
