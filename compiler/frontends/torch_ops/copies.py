"""Operators named `..._copy`: the view of that name, with elements of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten
_VIEWS = {
    aten.alias_copy.default: aten.alias.default,
    aten.as_strided_copy.default: aten.as_strided.default,
    aten.detach_copy.default: aten.detach.default,
    aten.diagonal_copy.default: aten.diagonal.default,
    aten.expand_copy.default: aten.expand.default,
    aten.narrow_copy.default: aten.narrow.default,
    aten.permute_copy.default: aten.permute.default,
    aten.select_copy.int: aten.select.int,
    aten.slice_copy.Tensor: aten.slice.Tensor,
    aten.split_copy.Tensor: aten.split.Tensor,
    aten.split_with_sizes_copy.default: aten.split_with_sizes.default,
    aten.squeeze_copy.default: aten.squeeze.default,
    aten.squeeze_copy.dim: aten.squeeze.dim,
    aten.squeeze_copy.dims: aten.squeeze.dims,
    aten.t_copy.default: aten.t.default,
    aten.transpose_copy.int: aten.transpose.int,
    aten.unbind_copy.int: aten.unbind.int,
    aten.unfold_copy.default: aten.unfold.default,
    aten.unsqueeze_copy.default: aten.unsqueeze.default,
    aten.view_copy.default: aten.reshape.default,
}


def _copy_of(view: Callable[..., Any]) -> Callable[..., Any]:
    def copied(*args: Any, **kwargs: Any) -> Any:
        found = view(*args, **kwargs)
        if isinstance(found, torch.Tensor):
            return found.clone(memory_format=torch.contiguous_format)
        return [part.clone(memory_format=torch.contiguous_format) for part in found]

    return copied


for _operator, _view in _VIEWS.items():
    decomposes(_operator)(_copy_of(_view))
