"""The border of a program: names, shapes and element types of arguments and results; data in and out of a
domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.errors import RuntimeInputError
from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.elements import element_of, is_float, storage
from stratagem.compiler.interpreter.values import Array, Value
from stratagem.compiler.ir import DYNAMIC, argument_attributes, find_function, result_attributes

Inputs = Mapping[str, Array] | Sequence[Array]


@dataclass(frozen=True)
class Port:
    """One argument or result. `shape` has DYNAMIC where the size is not known; scalars have shape ()."""

    name: str
    is_parameter: bool
    element: str
    shape: tuple[int, ...]


def arguments_of(module: Any, function: str = "main") -> list[Port]:
    op = find_function(module, function)
    inputs, parameters = (argument_attributes(op, key) for key in ("model.input", "model.param"))
    kinds = [value.type for value in op.regions[0].blocks[0].arguments]
    return [
        _port(kind, name or parameter or f"argument {i}", parameter is not None)
        for i, (kind, name, parameter) in enumerate(zip(kinds, inputs, parameters, strict=True))
    ]


def results_of(module: Any, function: str = "main") -> list[Port]:
    op = find_function(module, function)
    kinds = ir.FunctionType(ir.TypeAttr(op.attributes["function_type"]).value).results
    names = result_attributes(op, "model.output")
    return [
        _port(kind, name or f"result {i}", False)
        for i, (kind, name) in enumerate(zip(kinds, names, strict=True))
    ]


def _port(kind: Any, name: str, is_parameter: bool) -> Port:
    if not isinstance(kind, ir.ShapedType):
        return Port(name, is_parameter, element_of(kind), ())
    shape = tuple(DYNAMIC if kind.is_dynamic_dim(i) else kind.get_dim_size(i) for i in range(kind.rank))
    return Port(name, is_parameter, element_of(kind), shape)


def bind(ports: Sequence[Port], inputs: Inputs, parameters: Mapping[str, Array]) -> list[Array]:
    """One array per argument: inputs by name or in order, parameters by name.

    Raises RuntimeInputError when one is missing, left over, or of another shape.
    """
    given = dict(inputs) if isinstance(inputs, Mapping) else None
    rest = None if isinstance(inputs, Mapping) else list(inputs)
    arrays = []
    for port in ports:
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
    fits = len(array.shape) == len(port.shape) and all(
        want in (DYNAMIC, n) for want, n in zip(port.shape, array.shape, strict=True)
    )
    if not fits:
        wanted = [("?" if n == DYNAMIC else n) for n in port.shape]
        raise RuntimeInputError(f"'{port.name}' has shape {list(array.shape)}, the program takes {wanted}")
    return array if array.dtype == storage(port.element) else array.astype(storage(port.element))


def lift(domain: Domain, port: Port, array: Array) -> Value:
    return domain.lift(array, port.element) if is_float(port.element) else (array,)
