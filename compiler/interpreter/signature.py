"""The border of a program: names, shapes and element types of arguments and results; data in and out of a
domain.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.buffers import Arena, Buffer
from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.elements import element_of, is_float, storage
from stratagem.compiler.interpreter.values import Array, Value
from stratagem.compiler.ir import DYNAMIC, argument_attributes, argument_flags, result_attributes, result_flags
from stratagem.compiler.program import Program
from stratagem.compiler.signatures import COMPLEX, STORED, UNSIGNED
from stratagem.runtime.errors import RuntimeInputError
from stratagem.runtime.signature import NUMPY_TYPES, as_parts, from_parts

Inputs = Mapping[str, Array] | Sequence[Array]


@dataclass(frozen=True)
class Port:
    """One argument or result. `shape` has DYNAMIC where the size is not known; scalars have shape ().

    Integers are signless inside; `is_unsigned` says how the caller reads them, `stored` which small numbers bytes
    hold. With `is_complex` the last dimension holds the parts of what are complex numbers outside. `shard` is (mesh
    axis, dimension) where every rank holds a part only; shapes are those of the part.
    """

    name: str
    element: str
    shape: tuple[int, ...]
    is_parameter: bool = False
    is_buffer: bool = False
    is_arena: bool = False
    is_unsigned: bool = False
    is_complex: bool = False
    stored: str | None = None
    shard: tuple[str, int] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the caller's data."""
        if self.stored is not None:
            return NUMPY_TYPES[self.stored]
        dtype = storage(self.element)
        if self.is_complex:
            return np.dtype(f"c{2 * dtype.itemsize}")
        return np.dtype(f"u{dtype.name}") if self.is_unsigned else dtype

    def inside(self, array: Array) -> Array:
        """The caller's data, converted to the element type, as the program stores it."""
        if self.is_complex:
            return as_parts(array.astype(self.dtype, copy=False)) if array.dtype.kind == "c" else array
        return array.astype(self.dtype, copy=False).view(storage(self.element))

    def outside(self, value: Value) -> Array:
        """A result as the caller reads it: integers in `dtype`, floats, also as parts, as the domain holds them."""
        plane = self.plane(value)
        return from_parts(plane) if self.is_complex else plane

    def plane(self, value: Value) -> Array:
        """The same, the parts of complex numbers apart as the program has them."""
        plane = np.asarray(value[0])
        return plane if is_float(self.element) else plane.astype(storage(self.element), copy=False).view(self.dtype)


def arguments_of(function: Any) -> list[Port]:
    """The arguments of a func.func operation."""
    inputs, parameters = (argument_attributes(function, key) for key in ("model.input", "model.param"))
    arenas, unsigned = argument_flags(function, "physical.arena"), argument_flags(function, UNSIGNED)
    complexes = argument_flags(function, COMPLEX)
    shards, stored = (argument_attributes(function, key) for key in ("system.shard", STORED))
    kinds = [value.type for value in function.regions[0].blocks[0].arguments]
    return [
        replace(
            _port(kind, name or parameter or f"argument {i}"),
            is_parameter=parameter is not None,
            is_arena=arena,
            is_unsigned=no_sign,
            is_complex=two_parts,
            stored=small,
            shard=_shard(shard),
        )
        for i, (kind, name, parameter, arena, no_sign, two_parts, small, shard) in enumerate(
            zip(kinds, inputs, parameters, arenas, unsigned, complexes, stored, shards, strict=True)
        )
    ]


def results_of(function: Any) -> list[Port]:
    """The results of a func.func operation."""
    kinds = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).results
    names = result_attributes(function, "model.output")
    unsigned, complexes = result_flags(function, UNSIGNED), result_flags(function, COMPLEX)
    marks = zip(unsigned, complexes, result_attributes(function, STORED), strict=True)
    return [
        replace(_port(kind, name or f"result {i}"), is_unsigned=no_sign, is_complex=two_parts, stored=small)
        for i, (kind, name, (no_sign, two_parts, small)) in enumerate(zip(kinds, names, marks, strict=True))
    ]


def _shard(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    axis, dim = text.rsplit(":", 1)
    return axis, int(dim)


def _port(kind: Any, name: str) -> Port:
    if not isinstance(kind, ir.ShapedType):
        return Port(name, element_of(kind), ())
    shape = tuple(DYNAMIC if kind.is_dynamic_dim(i) else kind.get_dim_size(i) for i in range(kind.rank))
    return Port(name, element_of(kind), shape, is_buffer=isinstance(kind, ir.MemRefType))


def bind(ports: Sequence[Port], inputs: Inputs, parameters: Mapping[str, Array]) -> list[Array]:
    """One array per argument: inputs by name or in order, parameters by name, none for working memory.

    Raises RuntimeInputError when one is missing, left over, or of another shape.
    """
    given = dict(inputs) if isinstance(inputs, Mapping) else None
    rest = None if isinstance(inputs, Mapping) else list(inputs)
    arrays = []
    for port in ports:
        if port.is_arena:
            arrays.append(np.zeros(0, np.int8))
            continue
        if port.is_parameter and port.name in parameters:
            array = parameters[port.name]
        elif given is not None:
            if port.name not in given:
                raise RuntimeInputError(f"no input '{port.name}' among {sorted(given)}")
            array = given[port.name]
        elif rest:
            array = rest.pop(0)
        else:
            raise RuntimeInputError(
                f"no data for '{port.name}'", hint="give one array per argument that is no parameter"
            )
        arrays.append(_checked(port, np.asarray(array)))
    if rest:
        raise RuntimeInputError(f"{len(rest)} more inputs given than the {len(arrays)} arguments take")
    return arrays


def _checked(port: Port, array: Array) -> Array:
    array = port.inside(array) if port.is_complex else array
    fits = len(array.shape) == len(port.shape) and all(
        want in (DYNAMIC, n) for want, n in zip(port.shape, array.shape, strict=True)
    )
    if not fits:
        wanted = [("?" if n == DYNAMIC else n) for n in port.shape]
        raise RuntimeInputError(f"'{port.name}' has shape {list(array.shape)}, the program takes {wanted}")
    return port.inside(array)


def lift(domain: Domain, port: Port, array: Array) -> Any:
    """An argument in the form its type asks for: a value, a buffer that holds it, or an arena."""
    if port.is_arena:
        return Arena(port.shape[0], domain)
    value = domain.lift(array, port.element) if is_float(port.element) else (array,)
    return Buffer.copy_of(value, array.shape) if port.is_buffer else value


def module_of(program: Any, parameters: Mapping[str, Array] | None) -> tuple[Any, Mapping[str, Array]]:
    """The module of a Program or module, and all parameters known for it."""
    if isinstance(program, Program):
        return program.module, ChainMap(dict(parameters or {}), cast(Any, program.parameters))
    return program, parameters or {}
