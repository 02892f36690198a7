"""Sums of products, brought to the form of a batched matrix product so that BLAS does the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.elements import is_float
from stratagem.compiler.interpreter.values import Array, Value, map_planes

_EXACT_IN_FLOAT64 = 2.0**53


@dataclass(frozen=True)
class Roles:
    """Iteration dimensions by the operands they appear in: both, left only, right only, and summed over."""

    batch: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    summed: tuple[int, ...]

    @staticmethod
    def of(left: Sequence[int], right: Sequence[int], sizes: Sequence[int], reduction: Sequence[int]) -> Roles | None:
        """None where some dimension of the result is in neither operand."""
        batch, rows, columns = [], [], []
        for d in (d for d in range(len(sizes)) if d not in reduction):
            in_left, in_right = left[d] == sizes[d], right[d] == sizes[d]
            if in_left and in_right:
                batch.append(d)
            elif in_left:
                rows.append(d)
            elif in_right:
                columns.append(d)
            else:
                return None
        return Roles(tuple(batch), tuple(rows), tuple(columns), tuple(reduction))


def contract(
    domain: Domain,
    element: str,
    left: Value,
    right: Value,
    init: Value,
    sizes: Sequence[int],
    reduction: Sequence[int],
) -> Value | None:
    """init + the sum of left * right over the `reduction` dimensions; None where this form does not fit.

    `left` and `right` have one axis per iteration dimension (size 1: does not matter); `init` and the result
    have the other dimensions, in order.
    """
    rank = len(sizes)
    if np.ndim(left[0]) != rank or np.ndim(right[0]) != rank or 0 in sizes:
        return None
    roles = Roles.of(np.shape(left[0]), np.shape(right[0]), sizes, reduction)
    if roles is None:
        return None
    count = [prod(sizes[d] for d in dims) for dims in (roles.batch, roles.rows, roles.columns, roles.summed)]
    left = _arranged(left, (roles.batch, roles.rows, roles.summed), sizes, (count[0], count[1], count[3]))
    right = _arranged(right, (roles.batch, roles.summed, roles.columns), sizes, (count[0], count[3], count[2]))
    kept = [d for d in range(rank) if d not in reduction]
    order = [kept.index(d) for d in (*roles.batch, *roles.rows, *roles.columns)]
    shape = [sizes[d] for d in kept]
    init = map_planes(
        lambda p: np.transpose(np.broadcast_to(p, shape), order).reshape(count[0], count[1], count[2]), init
    )
    if is_float(element):
        result = domain.contract(element, left, right, tuple(init))
    elif len(left) + len(right) + len(init) == 3:
        result = (_contract_integers(left[0], right[0], init[0]),)
    else:
        return None
    arranged = [shape[k] for k in order]
    return tuple(np.transpose(plane.reshape(arranged), np.argsort(order)) for plane in result)


def _arranged(value: Value, groups: Sequence[Sequence[int]], sizes: Sequence[int], shape: Sequence[int]) -> Value:
    """Transposes to the given groups of dimensions, drops the others (of size 1), and merges each group into
    one axis.
    """
    dims = [d for group in groups for d in group]
    rest = [d for d in range(len(sizes)) if d not in dims]
    full = [sizes[d] for d in dims]

    def arrange(plane: Array) -> Array:
        ordered = np.squeeze(np.transpose(plane, [*dims, *rest]), tuple(range(len(dims), len(sizes))))
        return np.broadcast_to(ordered, full).reshape(tuple(shape))

    return map_planes(arrange, value)


def _contract_integers(left: Array, right: Array, init: Array) -> Array:
    """Through float64 where every sum is exact in it, else in 64-bit integers; wraps to the width of
    `init`.
    """
    if init.dtype == np.bool_:
        return np.asarray((np.matmul(left.astype(np.int64), right.astype(np.int64)) & 1).astype(np.bool_) ^ init)
    biggest = float(np.max(np.abs(left.astype(np.float64)))) * float(np.max(np.abs(right.astype(np.float64))))
    if biggest * left.shape[2] < _EXACT_IN_FLOAT64:
        product = np.matmul(left.astype(np.float64), right.astype(np.float64)).astype(np.int64)
    else:
        product = np.matmul(left.astype(np.int64), right.astype(np.int64))
    return np.asarray((product + init.astype(np.int64)).astype(init.dtype))
