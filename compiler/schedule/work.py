"""How much work a kernel is: scalar operations, and bytes it must at least move."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.structured import (
    accesses,
    body_ops,
    dtype,
    dtype_bytes,
    inits,
    is_structured,
    is_tensor,
    loop_extents,
    owner,
    shape,
)

FREE = ("linalg.yield", "linalg.index", "arith.constant", "arith.index_cast", "tensor.extract", "cf.assert")
"""Ops of a body that compute nothing a unit is asked to do."""


def operations(ops: list[Any]) -> int | None:
    """Scalar operations of untiled ops (a multiply-add is two); None when an extent is dynamic."""
    total = 0
    for op in kernel.generics(ops):
        extents = loop_extents(op)
        if None in extents:
            return None
        each = sum(1 for inner in body_ops(op) if inner.name not in FREE)
        total += each * prod(e for e in extents if e is not None)
    return total


def operation_terms(function: Any) -> list[str] | None:
    """What `operations` counts where sizes are free: a sum of products, each `442*0.1*2` as text.

    The first factor is a number; `0.1` is dimension 1 of argument 0, and `2` the number that argument 2 is. None where
    some extent is not a size of an argument.
    """
    terms = []
    for op in kernel.generics(kernel.body_ops(function)):
        count, places = sum(1 for inner in body_ops(op) if inner.name not in FREE), []
        for loop, size in enumerate(loop_extents(op)):
            place = None if size is not None else _place_of_loop(op, loop)
            if size is None and place is None:
                return None
            count *= 1 if size is None else size
            places += [place] if place else []
        if count:
            terms.append("*".join([str(count), *places]))
    return terms


def _place_of_loop(op: Any, loop: int) -> str | None:
    """Which size of the kernel's arguments the extent of a loop is."""
    for value, access in zip(op.operands, accesses(op), strict=True):
        for dim, result in enumerate(access):
            if result is not None and result.loop == loop and (place := _place(value, dim)):
                return place
    return None


def _place(value: Any, dim: int) -> str | None:
    op = owner(value)
    if op is None:
        return f"{ir.BlockArgument(value).arg_number}.{dim}"
    if is_structured(op):
        return _place(inits(op)[list(op.results).index(value)], dim)
    if op.name != "tensor.empty":
        return None
    before = sum(value.type.is_dynamic_dim(i) for i in range(dim))
    return _place_of_size(op.operands[before])


def _place_of_size(size: Any) -> str | None:
    op = owner(size)
    if op is None:
        return str(ir.BlockArgument(size).arg_number)
    if op.name != "tensor.dim" or (where := owner(op.operands[1])) is None or where.name != "arith.constant":
        return None
    return _place(op.operands[0], int(ir.IntegerAttr(where.attributes["value"]).value))


def moved_bytes(function: Any) -> int | None:
    """Bytes of all tensors a kernel is given, each once, and of those that it looks elements up in no more than these;
    None when a size is dynamic."""
    total, tables = 0, looked_up(function)
    for argument in kernel.block_of(function).arguments:
        if not is_tensor(argument):
            continue
        sizes = shape(argument)
        if None in sizes:
            return None
        whole = prod(s for s in sizes if s is not None) * dtype_bytes(dtype(argument))
        total += min(whole, tables[argument.arg_number].bytes) if argument.arg_number in tables else whole
    return total


@dataclass(frozen=True)
class LookedUp:
    """What a kernel reads at most of a tensor that it only looks elements up in: `bytes` at `places`, each a run of
    neighbours."""

    bytes: int
    places: int


def looked_up(function: Any) -> dict[int, LookedUp]:
    """By argument, for those of which sizes tell it."""
    found = {}
    for argument in kernel.block_of(function).arguments:
        users = [use.owner.operation for use in argument.uses]
        nests = [user.parent.operation for user in users if user.name == "tensor.extract"]
        if not nests or len(nests) < len(users) or not all(map(is_structured, nests)):
            continue
        extents = [loop_extents(nest) for nest in nests]
        if any(None in one for one in extents):
            continue
        points = [prod(extent or 1 for extent in one) for one in extents]
        places = sum(n // _run(user) for n, user in zip(points, users, strict=True))
        found[argument.arg_number] = LookedUp(sum(points) * dtype_bytes(dtype(argument)), places)
    return found


def _run(extract: Any) -> int:
    """Neighbours that a lookup reads one after the other: its last index is a loop's counter."""
    last = owner(extract.operands[len(extract.operands) - 1])
    if last is None or last.name != "linalg.index":
        return 1
    return loop_extents(extract.parent.operation)[int(ir.IntegerAttr(last.attributes["dim"]).value)] or 1


def record_work(function: Any) -> None:
    """Leaves `device.work = {operations, bytes}` on a kernel that is not tiled yet; what is unknown is left out.

    Where sizes are free, `terms` says what the operations follow from (`operation_terms`). `looked_up` has, by number,
    arguments that elements are looked up in: how many bytes, at how many places.
    """
    counts = {"operations": operations(kernel.body_ops(function)), "bytes": moved_bytes(function)}
    long = ir.IntegerType.get_signless(64)
    entries = {key: ir.IntegerAttr.get(long, n) for key, n in counts.items() if n is not None}
    terms = operation_terms(function) if counts["operations"] is None else None
    if terms is not None:
        entries["terms"] = ir.ArrayAttr.get([ir.StringAttr.get(term) for term in terms])
    if tables := looked_up(function):
        entries["looked_up"] = ir.DictAttr.get(
            {str(i): ir.DenseI64ArrayAttr.get([found.bytes, found.places]) for i, found in tables.items()}
        )
    function.attributes["device.work"] = ir.DictAttr.get(entries)
