"""The reference meaning of a tensor expression: numpy, one vectorised statement over the whole iteration
space.

Memory grows with the number of points, so this is for checking on small sizes, not for running models.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from stratagem.hwmodels.expressions.calls import numpy_call
from stratagem.hwmodels.expressions.errors import EvaluationError
from stratagem.hwmodels.expressions.tree import (
    Access,
    Accumulate,
    Binary,
    Call,
    Constant,
    Expression,
    Index,
    Negate,
    TensorExpression,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MOST_POINTS = 1 << 26

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
REDUCE: dict[Accumulate, Any] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def evaluate(
    expression: TensorExpression,
    arrays: Mapping[str, ArrayLike],
    *,
    symbols: Mapping[str, int],
    sizes: Mapping[str, int],
    initial: ArrayLike | None,
) -> np.ndarray:
    """The output tensor.

    Args:
        arrays: every input by name, with as many dimensions as the expression indexes.
        symbols: values of the size parameters (strides and dilations).
        sizes: extents of dimensions that no input determines.
        initial: what an accumulating expression adds to; the operation's neutral element by default.

    EvaluationError when sizes disagree or remain unknown.
    """
    inputs = {name: array_of(expression, arrays, name) for name in expression.inputs}
    missing = [symbol for symbol in expression.symbols if symbol not in symbols]
    if missing:
        raise EvaluationError(f"no value for the parameter {missing[0]} of '{expression}'")
    extents = dimension_sizes(expression, inputs, symbols, sizes, initial)
    points = math.prod(extents.values())
    if points > MOST_POINTS:
        raise EvaluationError(f"{points} points; the reference evaluates at most {MOST_POINTS}")
    value = Evaluator(expression, inputs, symbols, extents).value(expression.value)
    full = np.broadcast_to(value, tuple(extents.values()))
    return accumulated(expression, full, initial)


def array_of(expression: TensorExpression, arrays: Mapping[str, ArrayLike], name: str) -> np.ndarray:
    """The input `name`, of the right rank."""
    if name not in arrays:
        raise EvaluationError(f"no array for the input {name} of '{expression}'")
    array = np.asarray(arrays[name])
    rank = next(len(access.indices) for access in expression.reads if access.tensor == name)
    if array.ndim != rank:
        raise EvaluationError(f"{name} has {array.ndim} dimensions; '{expression}' indexes {rank}")
    return array


def dimension_sizes(
    expression: TensorExpression,
    inputs: Mapping[str, np.ndarray],
    symbols: Mapping[str, int],
    given: Mapping[str, int],
    initial: ArrayLike | None,
) -> dict[str, int]:
    """Extent of every loop dimension, in the order of `expression.dims`."""
    known = dict(given)
    uses = [
        (access, axis, index, inputs[access.tensor].shape[axis])
        for access in expression.reads
        for axis, index in enumerate(access.indices)
    ]
    if initial is not None:
        shape = np.shape(initial)
        uses += [(expression.output, axis, index, shape[axis]) for axis, index in enumerate(expression.output.indices)]
    for access, axis, index, size in uses:
        dim = index.bare_dim
        if dim is not None and known.setdefault(dim, size) != size:
            raise EvaluationError(f"{dim} is {known[dim]} elsewhere but {size} in {access}, axis {axis}")
    for _access, _axis, index, size in uses:
        solve(index, size, symbols, known)
    unknown = [dim for dim in expression.dims if dim not in known]
    if unknown:
        raise EvaluationError(f"the size of {unknown[0]} is unknown; give it in 'sizes'")
    return {dim: known[dim] for dim in expression.dims}


def solve(index: Index, size: int, symbols: Mapping[str, int], known: dict[str, int]) -> None:
    """When one dimension of an affine index is unknown: the largest extent that stays inside `size`."""
    if any(term.lookup is not None for term in index.terms):
        return
    unknown = [term for term in index.terms if term.dim is not None and term.dim not in known]
    if len(unknown) != 1 or unknown[0].dim is None:
        return
    reach = size - 1
    for term in index.terms:
        scale = term.coefficient * math.prod(symbols[symbol] for symbol in term.symbols)
        if term is unknown[0]:
            step = scale
        elif term.dim is None:
            reach -= scale
        else:
            reach -= max(0, scale * (known[term.dim] - 1))
    if step > 0:
        known[unknown[0].dim] = max(0, reach // step + 1)


class Evaluator:
    """Values over the whole iteration space, one array axis per loop dimension."""

    def __init__(
        self,
        expression: TensorExpression,
        inputs: Mapping[str, np.ndarray],
        symbols: Mapping[str, int],
        extents: Mapping[str, int],
    ) -> None:
        self.inputs, self.symbols = inputs, symbols
        rank = len(extents)
        self.counters = {
            dim: np.arange(size).reshape([size if axis == here else 1 for axis in range(rank)])
            for here, (dim, size) in enumerate(extents.items())
        }

    def value(self, node: Expression) -> Any:
        """A value, broadcastable to the iteration space."""
        match node:
            case Constant(number):
                return number
            case Access():
                return self.element(node)
            case Negate(operand):
                return -self.value(operand)
            case Binary(symbol, left, right):
                return OPERATORS[symbol](self.value(left), self.value(right))
            case Call(name, arguments):
                return numpy_call(name)(*(self.value(argument) for argument in arguments))

    def element(self, access: Access) -> Any:
        """Elements of a tensor at every point; EvaluationError when an index leaves it."""
        array = self.inputs[access.tensor]
        indices = [self.position(index) for index in access.indices]
        for axis, index in enumerate(indices):
            if index.size and (index.min() < 0 or index.max() >= array.shape[axis]):
                raise EvaluationError(
                    f"{access} runs from {index.min()} to {index.max()} on axis {axis}, "
                    f"which has {array.shape[axis]} elements"
                )
        return array[tuple(indices)] if indices else array[()]

    def position(self, index: Index) -> np.ndarray:
        """An index at every point."""
        total: Any = np.zeros((1,) * len(self.counters), dtype=np.int64)
        for term in index.terms:
            scale = term.coefficient * math.prod(self.symbols[symbol] for symbol in term.symbols)
            counter: Any = 1
            if term.dim is not None:
                counter = self.counters[term.dim]
            elif term.lookup is not None:
                counter = np.asarray(self.element(term.lookup)).astype(np.int64)
            total = total + scale * counter
        return np.asarray(total)


def accumulated(expression: TensorExpression, full: np.ndarray, initial: ArrayLike | None) -> np.ndarray:
    """Values reduced over the reduction dimensions and joined with what was there before."""
    if expression.accumulate == "assign":
        return np.array(full)
    combine = REDUCE[expression.accumulate]
    axes = tuple(range(len(expression.parallel_dims), full.ndim))
    empty = any(full.shape[axis] == 0 for axis in axes)
    if empty and combine.identity is None and initial is None:
        raise EvaluationError(f"'{expression}' reduces over nothing and has no neutral element; give 'initial'")
    if empty and combine.identity is None:
        return np.array(initial)
    reduced = combine.reduce(full, axis=axes) if axes else full
    return np.array(reduced if initial is None else combine(np.asarray(initial), reduced))
