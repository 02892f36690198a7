"""Where every front end lands: from a linalg-on-tensors module to the tensor level's form.

Before: one function with weights as arguments, constants or globals, named by the importer.
After: public `@main`, inputs first, then parameters; arguments and results named; no constant above 64
elements left inside; attribute `stratagem.level = "tensor"`. Source locations stay as they were.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.frontends.choices import lower_choices
from stratagem.compiler.frontends.complex_planes import ComplexBorder, split_complex
from stratagem.compiler.frontends.constants import (
    Array,
    ConstantReader,
    element_dtype,
    splat_value,
    static_shape,
)
from stratagem.compiler.frontends.elements import forward_elements, insert_slices
from stratagem.compiler.ir import find_function, functions, run_pipeline, set_level, symbol_name, walk
from stratagem.compiler.levels.tensor import CONSTANT_LIMIT, check_tensor_level
from stratagem.compiler.passes.guard_arctangents import guard_arctangents
from stratagem.compiler.program import Program
from stratagem.compiler.signatures import COMPLEX, STORED, UNSIGNED
from stratagem.runtime.errors import ModelError, UnsupportedError
from stratagem.runtime.parameters import ParameterStore

SIMPLIFY = "builtin.module(canonicalize,cse)"


@dataclass
class Interface:
    """What the users of a model see: names and, where MLIR's signless integers hide it, dtypes.

    `parameter_arguments` maps an argument's position to its name in the store; the other arguments are the
    inputs, in order. `marks` holds the names of inputs and outputs that outside are more than their type says: unsigned
    integers, complex numbers. `stored` names those whose elements are numbers of another type, kept in bytes.
    """

    input_names: Sequence[str]
    output_names: Sequence[str]
    parameter_arguments: Mapping[int, str] = field(default_factory=dict)
    marks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)


def land(
    module: Any,
    function_name: str,
    *,
    input_names: Sequence[str],
    output_names: Sequence[str],
    parameters: ParameterStore | None = None,
    parameter_arguments: Mapping[int, str] | None = None,
    resources: Mapping[str, Array] | None = None,
    unsigned: frozenset[str] = frozenset(),
    stored: Mapping[str, str] | None = None,
) -> Program:
    """Turns `function_name` of a linalg-on-tensors module into a program at the tensor level; changes
    `module`.

    Args:
        input_names, output_names: one for each input and result, in order.
        parameters: arrays of the arguments in `parameter_arguments` (position -> name). Constants above 64
            elements join them under the name of their source location; unused ones are dropped.
        resources: arrays behind `dense_resource` constants by key, so that their bytes need not be copied.
        unsigned: names of inputs and outputs whose integers are unsigned (attribute `model.unsigned`).
        stored: inputs and outputs of type `i8` that hold small numbers -> their type (attribute `model.stored`).

    Raises ModelError when names, arrays and types do not fit, UnsupportedError for what the tensor contract
    refuses.
    """
    store = parameters if parameters is not None else ParameterStore()
    marks = {UNSIGNED: unsigned}
    interface = Interface(input_names, output_names, dict(parameter_arguments or {}), marks, stored or {})
    with module.context, ir.Location.unknown():
        insert_slices(find_function(module, function_name))
    border = split_complex(module, function_name)
    function = find_function(module, function_name)
    with module.context, ir.Location.unknown():
        _check_interface(function, interface)
        interface = replace(interface, marks={**interface.marks, COMPLEX: _complex_names(interface, border)})
        names = _lift_constants(module, function, store, ConstantReader(module, resources))
        forward_elements(function)
        _drop_others(module, function)
    guard_arctangents(module)
    run_pipeline(module, SIMPLIFY)
    function = find_function(module, function_name)
    with module.context, ir.Location.unknown():
        lower_choices(function)
        late = _lift_constants(module, function, store, ConstantReader(module))
        kept = _write_interface(function, interface, [*names, *late], store)
    set_level(module, "tensor")
    check_tensor_level(module)
    return Program(module, kept)


def _check_interface(function: Any, interface: Interface) -> None:
    kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    inputs = len(kind.inputs) - len(interface.parameter_arguments)
    if inputs != len(interface.input_names):
        raise ModelError(f"the model has {inputs} inputs, {len(interface.input_names)} names were given")
    if len(kind.results) != len(interface.output_names):
        raise ModelError(f"the model has {len(kind.results)} outputs, {len(interface.output_names)} names were given")
    for names, what in ((interface.input_names, "input"), (interface.output_names, "output")):
        twice = sorted({n for n in names if list(names).count(n) > 1})
        if twice:
            raise ModelError(f"{what} name '{twice[0]}' is used twice")


def _complex_names(interface: Interface, border: ComplexBorder) -> frozenset[str]:
    """The inputs and outputs whose parts now lie in a dimension of their own."""
    count = len(interface.input_names) + len(interface.parameter_arguments)
    inputs = [i for i in range(count) if i not in interface.parameter_arguments]
    taken = {name for i, name in zip(inputs, interface.input_names, strict=True) if i in border.arguments}
    return frozenset(taken | {name for i, name in enumerate(interface.output_names) if i in border.results})


def _drop_others(module: Any, function: Any) -> None:
    state = {str(op.attributes["global"]) for op in walk(function) if op.name.startswith("ml_program.global")}
    for op in list(module.body.operations):
        if op.operation.name == "ml_program.global" and f"@{symbol_name(op.operation)}" in state:
            continue  # state that the program changes: the contract's check refuses it by name
        if op.operation != function and not _is_called(op.operation, functions(module)):
            op.operation.erase()


def _is_called(op: Any, callers: list[Any]) -> bool:
    if op.name != "func.func":
        return False
    name = f"@{symbol_name(op)}"
    return any(str(c.attributes["callee"]) == name for f in callers for c in walk(f) if c.name == "func.call")


def _lift_constants(module: Any, function: Any, store: ParameterStore, reader: ConstantReader) -> list[str]:
    """Replaces constants above the limit: equal elements by a fill, others by new arguments. Returns the new
    names.
    """
    entry = function.regions[0].blocks[0]
    global_values = _global_values(module)
    lifted: dict[Any, Any] = {}
    names: list[str] = []
    for op in list(walk(function)):
        attribute = _large_constant(op, global_values)
        if attribute is None:
            continue
        splat = splat_value(attribute)
        if splat is not None:
            value = _fill(op, splat)
        elif attribute in lifted:
            value = lifted[attribute]
        else:
            names.append(store.add(reader.key(attribute) or _source_name(op), reader.read(attribute)))
            value = lifted[attribute] = entry.add_argument(op.results[0].type, op.location)
        op.results[0].replace_all_uses_with(value)
        op.erase()
    _sync_type(function)
    return names


def _sync_type(function: Any) -> None:
    """Makes the function's type say what its entry block has."""
    results = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).results
    arguments = [a.type for a in function.regions[0].blocks[0].arguments]
    function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(arguments, list(results)))


def _large_constant(op: Any, global_values: Mapping[str, Any]) -> Any | None:
    if op.name == "ml_program.global_load_const":
        return global_values[str(op.attributes["global"])]
    if op.name != "arith.constant" or not isinstance(op.results[0].type, ir.RankedTensorType):
        return None
    kind = op.results[0].type
    count = 1
    for size in static_shape(kind):
        count *= size
    return op.attributes["value"] if count > CONSTANT_LIMIT else None


def _global_values(module: Any) -> dict[str, Any]:
    found = [op.operation for op in module.body.operations if op.operation.name == "ml_program.global"]
    return {f"@{symbol_name(op)}": op.attributes["value"] for op in found if "value" in op.attributes}


def _fill(op: Any, splat: Any) -> Any:
    kind = op.results[0].type
    with ir.InsertionPoint(op), op.location:
        scalar = arith.ConstantOp(kind.element_type, splat).result
        return linalg.fill(scalar, outs=[tensor.EmptyOp(static_shape(kind), kind.element_type).result])


def _source_name(op: Any) -> str:
    """The name in the op's location (`loc("encoder.weight")`), or `constant`."""
    match = re.search(r'"((?:[^"\\]|\\.)+)"', str(op.location))
    return match[1] if match and not re.search(r'":\d+:\d+', str(op.location)) else "constant"


def _write_interface(function: Any, interface: Interface, lifted: list[str], store: ParameterStore) -> ParameterStore:
    """Names arguments and results, puts inputs before parameters; returns the parameters that have a use, in
    order.
    """
    entry = function.regions[0].blocks[0]
    old = list(entry.arguments)
    plain = len(old) - len(lifted)
    parameter_names = {**interface.parameter_arguments, **{plain + i: n for i, n in enumerate(lifted)}}
    inputs = [i for i in range(plain) if i not in interface.parameter_arguments]
    used = [i for i in sorted(parameter_names) if list(old[i].uses)]
    attributes = [_named("model.input", n, interface) for n in interface.input_names]
    kept = ParameterStore()
    for i in used:
        kept.add(parameter_names[i], _checked_array(store, parameter_names[i], old[i].type))
        attributes.append(ir.DictAttr.get({"model.param": ir.StringAttr.get(parameter_names[i])}))
    for i in inputs + used:
        old[i].replace_all_uses_with(entry.add_argument(old[i].type, old[i].location))
    for i in reversed(range(len(old))):
        entry.erase_argument(i)
    results = [_named("model.output", n, interface) for n in interface.output_names]
    _write_function(function, attributes, results)
    return kept


def _write_function(function: Any, arguments: list[Any], results: list[Any]) -> None:
    for name in list(function.attributes):
        if name not in ("sym_name", "function_type"):
            del function.attributes[name]
    _sync_type(function)
    function.attributes["sym_name"] = ir.StringAttr.get("main")
    function.attributes["arg_attrs"] = ir.ArrayAttr.get(arguments)
    function.attributes["res_attrs"] = ir.ArrayAttr.get(results)


def _named(key: str, name: str, interface: Interface) -> Any:
    entries: dict[str, Any] = {mark: ir.UnitAttr.get() for mark, names in interface.marks.items() if name in names}
    if name in interface.stored:
        entries[STORED] = ir.StringAttr.get(interface.stored[name])
    return ir.DictAttr.get({key: ir.StringAttr.get(name), **entries})


def _checked_array(store: ParameterStore, name: str, kind: Any) -> Array:
    """The parameter's array under the dtype of its type; unsigned integers become the signless ones of their
    bytes.
    """
    if name not in store:
        raise ModelError(f"parameter '{name}' has no array")
    array, tensor_type = store[name], ir.RankedTensorType(kind)
    if not tensor_type.has_static_shape:
        raise UnsupportedError(f"parameter '{name}' has type {kind}: parameters have static shapes")
    dtype = element_dtype(tensor_type.element_type, f"parameter '{name}'")
    if np.iscomplexobj(array):
        array = np.stack([array.real, array.imag], axis=-1)
    if list(array.shape) != static_shape(tensor_type) or array.dtype.itemsize != dtype.itemsize:
        raise ModelError(f"parameter '{name}' is an array {array.dtype}{list(array.shape)}, the program says {kind}")
    return array if array.dtype == dtype else array.view(dtype)
