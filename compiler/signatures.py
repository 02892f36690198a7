"""The outside of a program, read from @main's argument and result attributes at any level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import argument_attributes, argument_flags, find_function, result_attributes, result_flags
from stratagem.runtime.signature import Signature, TensorSpec

UNSIGNED = "model.unsigned"
"""The mark on arguments and results of @main whose integers are unsigned: MLIR's integers carry no sign."""
STORED = "model.stored"
"""On arguments and results of @main of `i8`: the type of the small numbers in these bytes, e.g. `f8E4M3FN` or `i4`."""

COMPLEX = "model.complex"
"""The mark on arguments and results of @main that are complex outside: their last dimension, of size 2, holds real and
imaginary part."""


def signature_of(module: Any) -> Signature:
    """Inputs, outputs and parameters in argument order. Integers marked `model.unsigned` are `u8` ... `u64` outside,
    bytes marked `model.stored` of the type named, floats marked `model.complex` `c64` or `c128`; parameters are never
    marked: nobody outside sees them."""
    main = find_function(module, "main")
    kind = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    flags = (argument_flags(main, UNSIGNED), argument_flags(main, COMPLEX))
    outside = _outside(*flags, argument_attributes(main, STORED))
    inputs = _specs(kind.inputs, argument_attributes(main, "model.input"), outside)
    shards = argument_attributes(main, "system.shard")
    parameters = tuple(
        replace(_spec(t, name), shard_dim=None if shard is None else int(shard.rpartition(":")[2]))
        for t, name, shard in zip(kind.inputs, argument_attributes(main, "model.param"), shards, strict=True)
        if name is not None
    )
    names = result_attributes(main, "model.output")
    flags = (result_flags(main, UNSIGNED), result_flags(main, COMPLEX))
    outside = _outside(*flags, result_attributes(main, STORED))
    outputs = _specs(kind.results, [n or f"output{i}" for i, n in enumerate(names)], outside)
    return Signature(inputs, outputs, parameters)


def _outside(unsigned: Sequence[bool], complexes: Sequence[bool], stored: Sequence[str | None]) -> list[str]:
    """For each value, what the marks say of its element type outside: a type, `u` for no sign, `c` for numbers of two
    parts, nothing."""
    marks = zip(unsigned, complexes, stored, strict=True)
    return [name or ("u" if no_sign else "c" if two_parts else "") for no_sign, two_parts, name in marks]


def _specs(types: Any, names: Sequence[str | None], outside: Sequence[str]) -> tuple[TensorSpec, ...]:
    triples = zip(types, names, outside, strict=True)
    return tuple(_spec(t, name, marked) for t, name, marked in triples if name is not None)


def _spec(kind: Any, name: str, outside: str = "") -> TensorSpec:
    shaped = ir.ShapedType(kind)
    shape = tuple(None if shaped.is_dynamic_dim(i) else shaped.get_dim_size(i) for i in range(shaped.rank))
    element = str(shaped.element_type)
    if outside == "c":
        return TensorSpec(name, {"f32": "c64", "f64": "c128"}[element], shape[:-1])
    return TensorSpec(name, element.replace("i", "u") if outside == "u" else outside or element, shape)
