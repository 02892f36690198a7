"""Data for comparing two programs in the field: the same for both, random wherever the programs allow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.buffers import Arena, Buffer
from stratagem.compiler.interpreter.domains import Domain, ExactField
from stratagem.compiler.interpreter.elements import is_float
from stratagem.compiler.interpreter.signature import Port, arguments_of, module_of
from stratagem.compiler.interpreter.values import Array, Value
from stratagem.compiler.ir import DYNAMIC, find_function
from stratagem.runtime.errors import RuntimeInputError

DYNAMIC_SIZE = 7
"""What a dynamic size becomes where no shape is given: a prime, so that no tile divides it."""

Shapes = Mapping[str, Sequence[int]] | Sequence[Sequence[int]] | None


class Side:
    """One of the two programs: its module, its arguments that are data, and the parameters it brings."""

    def __init__(self, program: Any, function: str) -> None:
        self.module, self.parameters = module_of(program, None)
        self.ports = arguments_of(find_function(self.module, function))
        self.names = [port.name for port in self.ports if not port.is_arena]

    def data(self, common: Mapping[str, Value], first: Side) -> list[Value]:
        """One value per argument that is data: by name, or in the first program's order where names say
        nothing.
        """
        if set(self.names) <= set(common):
            return [common[name] for name in self.names]
        return [common[name] for name in first.names]

    def arguments(self, data: Sequence[Value], domain: Domain) -> list[Any]:
        """Data in the form each argument's type asks for, and working memory."""
        arguments: list[Any] = []
        rest = iter(data)
        for port in self.ports:
            if port.is_arena:
                arguments.append(Arena(port.shape[0], domain))
                continue
            value = next(rest)
            arguments.append(Buffer.copy_of(value, np.shape(value[0])) if port.is_buffer else value)
        return arguments


def common_data(first: Side, second: Side, shapes: Shapes, values: Mapping[str, Array], seed: int) -> dict[str, Value]:
    """A value per name.

    Arguments of both programs are random, unless `values` has them. A parameter of one program only (one
    that was packed, transposed or folded) cannot be: then that parameter, and those of the other program
    that it replaces, take the programs' own data.
    """
    shared = set(first.names) & set(second.names)
    by_name = shared == set(first.names) or shared == set(second.names) or _have_data(first, second, shared)
    if not by_name and len(first.names) != len(second.names):
        missing = sorted(set(first.names) ^ set(second.names))
        raise RuntimeInputError(
            f"the programs differ in arguments {missing}, and there is no data for them",
            hint="compare Programs, which bring their parameters, or give `values`",
        )
    named = shapes if isinstance(shapes, Mapping) else dict(zip(first.names, shapes or (), strict=False))
    draw = _Draw(seed, named)
    sides = (first, second) if by_name else (first,)
    data: dict[str, Value] = {}
    for side in sides:
        for port in side.ports:
            if port.is_arena or port.name in data:
                continue
            own = values.get(port.name)
            if own is None and by_name and port.name not in shared:
                own = side.parameters.get(port.name)
            data[port.name] = draw.random(port) if own is None else draw.actual(port, own)
    return data


def _have_data(first: Side, second: Side, shared: set[str]) -> bool:
    """Whether every argument that only one program has is a parameter that it brings."""
    return all(name in shared or name in side.parameters for side in (first, second) for name in side.names)


class _Draw:
    """Field elements and small integers from one seed."""

    def __init__(self, seed: int, shapes: Mapping[str, Sequence[int]]) -> None:
        self._field = ExactField(seed + 2**16)
        self._integers = np.random.default_rng(seed)
        self._shapes = shapes

    def actual(self, port: Port, array: Array) -> Value:
        data = np.asarray(array)
        return self._field.lift(data, port.element) if is_float(port.element) else (port.inside(data),)

    def random(self, port: Port) -> Value:
        shape = tuple(self._shapes.get(port.name, [DYNAMIC_SIZE if n == DYNAMIC else n for n in port.shape]))
        if is_float(port.element):
            return self._field.random(shape)
        return (port.inside(self._integers.integers(0, 2, shape)),)
