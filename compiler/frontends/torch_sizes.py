"""What PyTorch knows about free sizes, as assertions at the head of a program.

`torch.export` proves its graph for sizes that satisfy relations it found: two inputs share a batch, a
length is at least 8. A program that ran with other sizes would read outside its tensors; it stops with a
message instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram
from torch_mlir import ir
from torch_mlir.dialects import arith, cf, tensor

from stratagem.compiler.frontends.torch_views import expression
from stratagem.compiler.ir import find_function

_TRACED_LEAST = 2


@dataclass(frozen=True)
class FreeSize:
    """A free dimension of an input: which input, its name, the dimension, and the symbolic size as text."""

    argument: int
    name: str
    dimension: int
    symbol: str

    def __str__(self) -> str:
        return f"dimension {self.dimension} of '{self.name}'"


def free_sizes(placeholders: Sequence[fx.Node], names: Sequence[str]) -> list[FreeSize]:
    """The free dimensions of the inputs, in order."""
    found = []
    for i, (node, name) in enumerate(zip(placeholders, names, strict=True)):
        shape = getattr(node.meta["val"], "shape", ())
        sizes = [(d, n) for d, n in enumerate(shape) if isinstance(n, torch.SymInt)]
        found += [FreeSize(i, name, d, str(expression(n))) for d, n in sizes]
    return found


def lower_bounds(program: ExportedProgram) -> dict[str, int]:
    """Symbol -> smallest size the graph holds for, where that says something: PyTorch traces with sizes of
    at least 2 and notes that as a bound, needed or not."""
    bounds = {}
    for symbol, values in program.range_constraints.items():
        if values.lower.is_number and values.lower > _TRACED_LEAST:
            bounds[str(symbol)] = int(values.lower)
    return bounds


def assert_sizes(module: Any, sizes: Sequence[FreeSize], bounds: Mapping[str, int]) -> None:
    """Writes the assertions into `@main`: equal symbols are equal sizes, and bounds hold."""
    block = find_function(module, "main").regions[0].blocks[0]
    first: dict[str, FreeSize] = {}
    with module.context, ir.Location.unknown(), ir.InsertionPoint.at_block_begin(block):
        for size in sizes:
            other = first.setdefault(size.symbol, size)
            if other is not size:
                _assert(block, size, "eq", _dimension(block, other), f"{other} and {size} must be equal")
            elif size.symbol in bounds:
                least = bounds[size.symbol]
                _assert(block, size, "sge", _index(least), f"{size} must be at least {least}")


def _assert(block: Any, size: FreeSize, predicate: str, right: Any, message: str) -> None:
    holds = arith.CmpIOp(getattr(arith.CmpIPredicate, predicate), _dimension(block, size), right).result
    cf.AssertOp(holds, ir.StringAttr.get(message))


def _dimension(block: Any, size: FreeSize) -> Any:
    return tensor.DimOp(block.arguments[size.argument], _index(size.dimension)).result


def _index(number: int) -> Any:
    return arith.ConstantOp(ir.IndexType.get(), number).result
