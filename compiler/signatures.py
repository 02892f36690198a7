"""The outside of a program, read from @main's argument and result attributes at any level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import argument_attributes, argument_flags, find_function, result_attributes, result_flags
from stratagem.runtime.signature import Signature, TensorSpec

UNSIGNED = "model.unsigned"
"""The mark on arguments and results of @main whose integers are unsigned: MLIR's integers carry no sign."""

COMPLEX = "model.complex"
"""The mark on arguments and results of @main that are complex outside: their last dimension, of size 2, holds real and
imaginary part."""


def signature_of(module: Any) -> Signature:
    """Inputs, outputs and parameters in argument order. Integers marked `model.unsigned` are `u8` ... `u64` outside,
    floats marked `model.complex` `c64` or `c128`; parameters are never marked: nobody outside sees them."""
    main = find_function(module, "main")
    kind = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    marks = zip(argument_flags(main, UNSIGNED), argument_flags(main, COMPLEX), strict=True)
    inputs = _specs(kind.inputs, argument_attributes(main, "model.input"), marks)
    shards = argument_attributes(main, "system.shard")
    parameters = tuple(
        replace(_spec(t, name), shard_dim=None if shard is None else int(shard.rpartition(":")[2]))
        for t, name, shard in zip(kind.inputs, argument_attributes(main, "model.param"), shards, strict=True)
        if name is not None
    )
    names = result_attributes(main, "model.output")
    marks = zip(result_flags(main, UNSIGNED), result_flags(main, COMPLEX), strict=True)
    outputs = _specs(kind.results, [n or f"output{i}" for i, n in enumerate(names)], marks)
    return Signature(inputs, outputs, parameters)


def _specs(types: Any, names: Sequence[str | None], marks: Iterable[tuple[bool, bool]]) -> tuple[TensorSpec, ...]:
    triples = zip(types, names, marks, strict=True)
    return tuple(_spec(t, name, *mark) for t, name, mark in triples if name is not None)


def _spec(kind: Any, name: str, unsigned: bool = False, is_complex: bool = False) -> TensorSpec:
    shaped = ir.ShapedType(kind)
    shape = tuple(None if shaped.is_dynamic_dim(i) else shaped.get_dim_size(i) for i in range(shaped.rank))
    element = str(shaped.element_type)
    if is_complex:
        return TensorSpec(name, {"f32": "c64", "f64": "c128"}[element], shape[:-1])
    return TensorSpec(name, element.replace("i", "u") if unsigned else element, shape)
