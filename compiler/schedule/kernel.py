"""One kernel function at the device level: reading and writing its parts and its claims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import functions
from stratagem.compiler.schedule.frames import without_frame
from stratagem.compiler.schedule.structured import is_contraction, is_generic

KERNEL = "device.kernel"
SEQUENTIAL = "sequential"


def kernels(module: Any) -> Iterator[Any]:
    """The kernel functions of a module, in order."""
    for function in functions(module):
        if is_kernel(function):
            yield function


def is_kernel(function: Any) -> bool:
    """Whether a function is a kernel: private, and with at least one destination argument."""
    return "sym_visibility" in function.attributes and "arg_attrs" in function.attributes


def block_of(function: Any) -> Any:
    return function.regions[0].blocks[0]


def body_ops(function: Any) -> list[Any]:
    """The ops of a kernel, without the return."""
    return [view.operation for view in block_of(function).operations][:-1]


def terminator(function: Any) -> Any:
    return list(block_of(function).operations)[-1].operation


def generics(ops: list[Any]) -> list[Any]:
    return [op for op in ops if is_generic(op)]


def contractions(ops: list[Any]) -> list[Any]:
    return [op for op in ops if is_contraction(op)]


def is_tileable(ops: list[Any]) -> bool:
    """Whether a kernel holds structured ops only and what these need (constants, sizes, empties), perhaps framed."""
    ops = without_frame(ops)
    return bool(generics(ops)) and all(is_tileable_op(op) for op in ops)


def is_tileable_op(op: Any) -> bool:
    plain = ("tensor.empty", "tensor.dim", "linalg.fill", "linalg.generic")
    return op.name in plain or op.name.split(".")[0] in SCALAR


SCALAR = ("arith", "affine", "math", "index")


def claim(function: Any) -> dict[str, str]:
    """The text entries of a kernel's `device.kernel` attribute; empty where it has none."""
    if KERNEL not in function.attributes:
        return {}
    entries = ir.DictAttr(function.attributes[KERNEL])
    found = {}
    for entry in entries:
        value = entry.attr.maybe_downcast()
        if isinstance(value, ir.StringAttr):
            found[entry.name] = value.value
    return found


def candidates(function: Any) -> list[str]:
    """The units (`device/unit`) that a kernel's claim names as able to do its work."""
    entries = ir.DictAttr(function.attributes[KERNEL])
    return [ir.StringAttr(entry).value for entry in ir.ArrayAttr(entries["candidates"])]


def set_claim(function: Any, entries: dict[str, str], candidates: list[str]) -> None:
    values = {key: ir.StringAttr.get(value) for key, value in entries.items() if value}
    values["candidates"] = ir.ArrayAttr.get([ir.StringAttr.get(c) for c in candidates])
    function.attributes[KERNEL] = ir.DictAttr.get(values)
