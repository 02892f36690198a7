"""The outside of a program, read from @main's argument and result attributes at any level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import argument_attributes, find_function, result_attributes
from stratagem.runtime.signature import Signature, TensorSpec


def signature_of(module: Any) -> Signature:
    """Inputs, outputs and parameters in argument order."""
    main = find_function(module, "main")
    kind = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    inputs = _specs(kind.inputs, argument_attributes(main, "model.input"))
    shards = argument_attributes(main, "system.shard")
    parameters = tuple(
        replace(_spec(t, name), shard_dim=None if shard is None else int(shard.rpartition(":")[2]))
        for t, name, shard in zip(kind.inputs, argument_attributes(main, "model.param"), shards, strict=True)
        if name is not None
    )
    names = result_attributes(main, "model.output")
    outputs = _specs(kind.results, [n or f"output{i}" for i, n in enumerate(names)])
    return Signature(inputs, outputs, parameters)


def _specs(types: Any, names: list[str | None]) -> tuple[TensorSpec, ...]:
    return tuple(_spec(t, name) for t, name in zip(types, names, strict=True) if name is not None)


def _spec(kind: Any, name: str) -> TensorSpec:
    shaped = ir.ShapedType(kind)
    shape = tuple(None if shaped.is_dynamic_dim(i) else shaped.get_dim_size(i) for i in range(shaped.rank))
    return TensorSpec(name, str(shaped.element_type), shape)
