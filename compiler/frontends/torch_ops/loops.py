"""Loops with a number of steps that is known, for methods whose steps depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch._higher_order_ops.while_loop import while_loop_op


def repeat(count: int, body: Callable[..., Sequence[Tensor]], *state: Tensor) -> tuple[Tensor, ...]:
    """`state = body(k, *state)` for k = 0 .. count - 1, as one loop in the program.

    `k` is a 0-dimensional int64 tensor. Shapes and dtypes of the state stay as they are; everything that `body` reads
    has to be part of the state.
    """
    if count <= 0:
        return state

    def unfinished(k: Tensor, *_: Tensor) -> Tensor:
        return k < count

    def step(k: Tensor, *before: Tensor) -> tuple[Tensor, ...]:
        after = body(k, *before)
        # A loop's results must not be its operands, where nothing changes.
        return (k + 1, *(value.clone() if any(value is b for b in before) else value.contiguous() for value in after))

    start = (value.clone(memory_format=torch.contiguous_format) for value in state)
    zero = torch.zeros((), dtype=torch.int64)
    return tuple(while_loop_op(unfinished, step, (zero, *start), ())[1:])


def take(x: Tensor, dim: int, k: Tensor) -> Tensor:
    """Slice `k`, a 0-dimensional int64 tensor, of dimension `dim`, which stays with size 1."""
    return torch.index_select(x, dim, k.reshape(1))


def put(x: Tensor, dim: int, k: Tensor, value: Tensor) -> Tensor:
    """`x` with slice `k` of dimension `dim` replaced by `value`, which has size 1 there or broadcasts."""
    return torch.where(places(x, dim) == k, value, x)


def places(x: Tensor, dim: int) -> Tensor:
    """0, 1, 2 ... along `dim` (int64), with size 1 in the dimensions after it."""
    after = -dim - 1 if dim < 0 else x.ndim - dim - 1
    return torch.arange(x.shape[dim]).reshape(-1, *[1] * after)
