"""Indexing maps: how an operand of a structured operation is read over the iteration space, without
copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.attributes import Evaluator, affine_function
from stratagem.compiler.interpreter.instructions import Instruction
from stratagem.compiler.interpreter.values import Array, Value, map_planes, shape_of


@dataclass(frozen=True)
class Access:
    """One indexing map.

    `plain[k]` is the iteration dimension that indexes operand dimension k, None where the index is something
    else. `coefficients[k][d]` and `offsets[k]` hold the map where it is linear; None where it is not.
    """

    dims: int
    plain: tuple[int | None, ...]
    coefficients: tuple[tuple[int, ...], ...] | None
    offsets: tuple[int, ...]
    functions: tuple[Evaluator, ...]

    @staticmethod
    def of(affine_map: Any) -> Access:
        dims = affine_map.n_dims
        functions = tuple(affine_function(e) for e in affine_map.results)
        plain = tuple(_plain_dim(e) for e in affine_map.results)
        if not all(_is_linear(e) for e in affine_map.results):
            return Access(dims, plain, None, (), functions)
        origin = [0] * dims
        offsets = tuple(int(f(origin, ())) for f in functions)
        units = [[int(d == e) for e in range(dims)] for d in range(dims)]
        rows = tuple(
            tuple(int(f(unit, ())) - offset for unit in units) for f, offset in zip(functions, offsets, strict=True)
        )
        return Access(dims, plain, rows, offsets, functions)

    @property
    def is_identity(self) -> bool:
        return self.plain == tuple(range(self.dims))

    def elsewhere_first(self) -> bool:
        """Whether every index that is no iteration dimension is the constant 0."""
        if None not in self.plain:
            return True
        rows = self.coefficients or ()
        others = [k for k, d in enumerate(self.plain) if d is None]
        return bool(rows) and not any(any(rows[k]) or self.offsets[k] for k in others)

    def view(self, value: Value, sizes: Sequence[int], instruction: Instruction) -> Value:
        """The operand over the iteration space: one axis per iteration dimension, of size 1 where it does not
        matter.

        Raises Violation when an index leaves the operand.
        """
        if self.is_identity:
            return value
        if not self.plain:
            return map_planes(lambda plane: np.reshape(plane, (1,) * self.dims), value)
        if self.coefficients is None:
            return self._gather(value, sizes, instruction)
        if None not in self.plain and len(set(self.plain)) == len(self.plain):
            return self._transposed(value)
        self._check_bounds(shape_of(value), sizes, instruction)
        return map_planes(lambda plane: self._strided(plane, sizes), value)

    def _transposed(self, value: Value) -> Value:
        order = sorted(range(len(self.plain)), key=lambda k: self.plain[k] or 0)
        index = tuple(slice(None) if d in self.plain else np.newaxis for d in range(self.dims))
        return map_planes(lambda plane: np.transpose(plane, order)[index], value)

    def _check_bounds(self, shape: Sequence[int], sizes: Sequence[int], instruction: Instruction) -> None:
        if 0 in sizes or self.coefficients is None:
            return
        for k, (row, offset, extent) in enumerate(zip(self.coefficients, self.offsets, shape, strict=True)):
            ends = [c * (n - 1) for c, n in zip(row, sizes, strict=True)]
            low, high = offset + sum(min(e, 0) for e in ends), offset + sum(max(e, 0) for e in ends)
            if low < 0 or high >= extent:
                raise instruction.violation(
                    f"dimension {k} is read at {low}..{high}, the operand has {extent} elements"
                )

    def _strided(self, plane: Array, sizes: Sequence[int]) -> Array:
        rows = self.coefficients or ()
        used = [any(row[d] for row in rows) for d in range(self.dims)]
        shape = [n if u else 1 for n, u in zip(sizes, used, strict=True)]
        strides = [sum(row[d] * s for row, s in zip(rows, plane.strides, strict=True)) for d in range(self.dims)]
        if 0 in shape:
            return np.zeros(shape, plane.dtype)
        start = plane[tuple(slice(offset, None) for offset in self.offsets)]
        return np.lib.stride_tricks.as_strided(start, shape, strides, writeable=False)

    def _gather(self, value: Value, sizes: Sequence[int], instruction: Instruction) -> Value:
        grid = grid_of(sizes)
        indices = tuple(np.asarray(f(grid, ())) for f in self.functions)
        for k, (index, extent) in enumerate(zip(indices, shape_of(value), strict=True)):
            if index.size and (index.min() < 0 or index.max() >= extent):
                low, high = int(index.min()), int(index.max())
                raise instruction.violation(
                    f"dimension {k} is read at {low}..{high}, the operand has {extent} elements"
                )
        rank = (1,) * self.dims
        return map_planes(
            lambda plane: np.reshape(plane[indices], np.broadcast_shapes(rank, *(i.shape for i in indices))),
            value,
        )


def iteration_sizes(instruction: Instruction, accesses: Sequence[Access], operands: Sequence[Value]) -> tuple[int, ...]:
    """The extent of every iteration dimension; raises Violation where operands disagree about one."""
    sizes: list[int | None] = [None] * accesses[0].dims
    for position, (access, operand) in enumerate(zip(accesses, operands, strict=True)):
        for dim, extent in zip(access.plain, shape_of(operand), strict=True):
            if dim is None:
                continue
            if sizes[dim] not in (None, extent):
                raise instruction.violation(
                    f"iteration dimension {dim} is {sizes[dim]} and, by operand {position}, {extent}"
                )
            sizes[dim] = extent
    if None in sizes:
        raise instruction.violation(f"no operand tells the size of iteration dimension {sizes.index(None)}")
    return tuple(n for n in sizes if n is not None)


def grid_of(sizes: Sequence[int]) -> list[Array]:
    """Index arrays, one per dimension, that broadcast over the iteration space."""
    rank = len(sizes)
    return [np.arange(n).reshape([n if d == e else 1 for e in range(rank)]) for d, n in enumerate(sizes)]


def _plain_dim(expression: Any) -> int | None:
    expression = expression.maybe_downcast()
    return int(expression.position) if type(expression).__name__ == "AffineDimExpr" else None


def _is_linear(expression: Any) -> bool:
    expression = expression.maybe_downcast()
    kind = type(expression).__name__
    if kind == "AffineAddExpr":
        return _is_linear(expression.lhs) and _is_linear(expression.rhs)
    if kind == "AffineMulExpr":
        constant = any(
            type(e.maybe_downcast()).__name__ == "AffineConstantExpr" for e in (expression.lhs, expression.rhs)
        )
        return constant and _is_linear(expression.lhs) and _is_linear(expression.rhs)
    return kind in ("AffineDimExpr", "AffineConstantExpr")
