"""The work of a program whose sizes are free, for given shapes of its inputs.

The host program is run by the reference interpreter with calls of kernels left out: what remains is how sizes follow
from sizes. Where a size follows from a kernel's results or from parameters, it is that of zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from stratagem.runtime.signature import Signature


@dataclass(frozen=True)
class Work:
    """Of one call of a kernel: `operations` counts arithmetic, None where it does not follow from sizes; `bytes` what
    inputs and outputs hold."""

    operations: int | None
    bytes: int


def work_of_calls(module: Any, signature: Signature, shapes: Mapping[str, Sequence[int]]) -> dict[str, list[Work]]:
    """Kernel -> the work of each of its calls, in order.

    Args:
        module: a program of one rank at level `device` or `system`.
        shapes: shapes of inputs with free dimensions, by name; a free dimension of an input that is not named is 1.

    Raises RuntimeInputError where a shape does not fit, Violation where the program itself refuses these sizes.
    """
    from stratagem.compiler.interpreter.api import Float64
    from stratagem.compiler.interpreter.elements import storage
    from stratagem.compiler.interpreter.machine import Machine
    from stratagem.compiler.interpreter.signature import arguments_of, bind, lift, results_of
    from stratagem.compiler.ir import find_function

    machine = Machine(module, Float64())
    calls: dict[str, list[Work]] = {}

    def leave_out(_: Any, name: str, arguments: Sequence[Any]) -> list[Any]:
        kernel, arrays = machine.source(name), [np.asarray(value[0]) for value in arguments]
        calls.setdefault(name, []).append(work_of_call(kernel, arrays))
        outcomes = results_of(kernel)
        made = arrays[len(arrays) - len(outcomes) :]
        zeros = [np.zeros(array.shape, storage(port.element)) for array, port in zip(made, outcomes, strict=True)]
        return [lift(machine.domain, port, array) for port, array in zip(outcomes, zeros, strict=True)]

    machine.on_call = leave_out
    ports = arguments_of(find_function(module, "main"))
    specs = [*signature.inputs, *signature.parameters]
    zeros = {s.name: np.zeros(tuple(shapes.get(s.name, [n or 1 for n in s.shape])), s.numpy_dtype) for s in specs}
    arrays = bind(ports, zeros, {})
    machine.call("main", [lift(machine.domain, port, array) for port, array in zip(ports, arrays, strict=True)])
    return calls


def work_of_call(kernel: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Work:
    """The work of one call of a kernel with these arguments, destinations included."""
    from torch_mlir import ir

    from stratagem.compiler.interpreter.elements import storage
    from stratagem.compiler.interpreter.signature import arguments_of

    kinds = ir.FunctionType(ir.TypeAttr(kernel.attributes["function_type"]).value).inputs
    ports = arguments_of(kernel)
    tensors = [isinstance(kind, ir.RankedTensorType) for kind in kinds]
    sizes = [prod(a.shape) * storage(p.element).itemsize for a, p, t in zip(arrays, ports, tensors, strict=True) if t]
    return Work(_operations(kernel, arrays), int(sum(sizes)))


def _operations(kernel: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> int | None:
    """The terms that `match-functions` left on the kernel, with these arguments."""
    from torch_mlir import ir

    if "device.work" not in kernel.attributes:
        return None
    work = ir.DictAttr(kernel.attributes["device.work"])
    if "operations" in work:
        return int(ir.IntegerAttr(work["operations"]).value)
    if "terms" not in work:
        return None
    terms = [str(ir.StringAttr(term).value).split("*") for term in ir.ArrayAttr(work["terms"])]
    return sum(int(count) * prod(_size(place, arrays) for place in places) for count, *places in terms)


def _size(place: str, arrays: Sequence[np.ndarray[Any, Any]]) -> int:
    """`0.1`: dimension 1 of argument 0. `2`: the number that argument 2 is."""
    argument, _, dim = place.partition(".")
    array = arrays[int(argument)]
    return int(array.shape[int(dim)]) if dim else int(array)
