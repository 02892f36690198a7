"""What @main is given: on the uncut program whole tensors, on a rank its part of parameters that are cut at load."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.sharding.collectives import cut
from stratagem.compiler.checks.sharding.expressions import Expressions, Value
from stratagem.compiler.checks.sharding.sizes import Size
from stratagem.compiler.ir import argument_attributes

SHARD = "system.shard"


class SignatureError(Exception):
    """The program on a rank takes or returns something else than the uncut one."""


def whole_arguments(table: Expressions, main: Any) -> list[Value]:
    """Each argument as a whole tensor of its own."""
    names = zip(*(argument_attributes(main, key) for key in ("model.input", "model.param")), strict=True)
    found = []
    for i, (argument, (given, stored)) in enumerate(zip(_arguments(main), names, strict=True)):
        name = given or stored
        symbol = table.make((f"argument {i}" + (f" ('{name}')" if name else ""),))
        found.append(table.as_it_is(symbol, argument.type))
    return found


def rank_arguments(whole: list[Value], uncut: Any, main: Any, axis: str, ranks: Size) -> list[Value]:
    """What a rank holds of each argument.

    Raises SignatureError where names, results or shapes are not those of the uncut program.
    """
    _same_signature(uncut, main)
    found = []
    shards = argument_attributes(main, SHARD)
    for value, before, after, shard in zip(whole, *map(_arguments, (uncut, main)), shards, strict=True):
        what = str(value.expression)
        if shard is None:
            if after.type != before.type:
                raise SignatureError(f"{what} is {before.type}; on a rank it is {after.type}, and not cut")
            found.append(value)
            continue
        found.append(_part(value, what, before.type, after.type, shard, axis, ranks))
    return found


def _part(value: Value, what: str, before: Any, after: Any, shard: str, axis: str, ranks: Size) -> Value:
    over, _, dim = shard.rpartition(":")
    part = cut(value, int(dim), ranks) if over == axis and int(dim) < len(value.dims) else None
    if part is None or _shape(after) != _shape_of_part(before, int(dim), int(ranks.number)):
        raise SignatureError(f"{what} is {before}; cut over {ranks} ranks as '{shard}' it is not {after}")
    return part


def _shape_of_part(kind: Any, dim: int, ranks: int) -> list[int]:
    return [n // ranks if i == dim else n for i, n in enumerate(_shape(kind))]


def _shape(kind: Any) -> list[int]:
    return list(ir.RankedTensorType(kind).shape)


def _arguments(main: Any) -> list[Any]:
    return list(main.regions[0].blocks[0].arguments)


def _same_signature(uncut: Any, main: Any) -> None:
    """Raises SignatureError unless arguments and results have the same attributes, and results the same types."""
    if _results(uncut) != _results(main):
        raise SignatureError("@main has other results than the uncut program, or other names of them")
    if _named(uncut) != _named(main):
        raise SignatureError("@main has other arguments than the uncut program, or other names of them")


def _results(main: Any) -> tuple[Any, ...]:
    kind = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    return list(kind.results), main.attributes.get("res_attrs")


def _named(main: Any) -> list[Any]:
    count = len(_arguments(main))
    if "arg_attrs" not in main.attributes:
        return [{}] * count
    kept = []
    for entry in ir.ArrayAttr(main.attributes["arg_attrs"]):
        pairs = ir.DictAttr(entry)
        kept.append({pairs[i].name: pairs[i].attr for i in range(len(pairs)) if pairs[i].name != SHARD})
    return kept
