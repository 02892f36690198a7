"""How much work a kernel is: scalar operations, and bytes it must at least move."""

from __future__ import annotations

from math import prod
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.structured import (
    body_ops,
    dtype,
    dtype_bytes,
    is_tensor,
    loop_extents,
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


def moved_bytes(function: Any) -> int | None:
    """Bytes of all tensors a kernel is given, each once; None when a size is dynamic."""
    total = 0
    for argument in kernel.block_of(function).arguments:
        if not is_tensor(argument):
            continue
        sizes = shape(argument)
        if None in sizes:
            return None
        total += prod(s for s in sizes if s is not None) * dtype_bytes(dtype(argument))
    return total


def record_work(function: Any) -> None:
    """Leaves `device.work = {operations, bytes}` on a kernel that is not tiled yet; sizes unknown are left
    out."""
    found = {"operations": operations(kernel.body_ops(function)), "bytes": moved_bytes(function)}
    long = ir.IntegerType.get_signless(64)
    entries = {key: ir.IntegerAttr.get(long, n) for key, n in found.items() if n is not None}
    function.attributes["device.work"] = ir.DictAttr.get(entries)
