"""Readers of slices, loops and affine maps as the MLIR bindings give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import DYNAMIC

Entry = int | Any
"""A static number, or the SSA value that holds it."""


@dataclass(frozen=True)
class Slice:
    """Offsets, sizes and strides of an extract, insert or parallel insert, in elements of the big tensor."""

    offsets: tuple[Entry, ...]
    sizes: tuple[Entry, ...]
    strides: tuple[Entry, ...]


@dataclass(frozen=True)
class ForallBounds:
    """Lower bounds, upper bounds and steps of an scf.forall, and the values its shared outputs start from."""

    lower: tuple[Entry, ...]
    upper: tuple[Entry, ...]
    step: tuple[Entry, ...]
    outputs: tuple[Any, ...]


def _mix(static: Sequence[int], dynamic: Sequence[Any]) -> tuple[Entry, ...]:
    values = iter(dynamic)
    return tuple(next(values) if number == DYNAMIC else int(number) for number in static)


def _integers(op: Any, name: str) -> list[int]:
    return [int(n) for n in ir.DenseI64ArrayAttr(op.attributes[name])]


def slice_of(op: Any) -> Slice:
    """The geometry of a tensor.extract_slice, insert_slice or parallel_insert_slice."""
    skip = 1 if op.name == "tensor.extract_slice" else 2
    rest = list(op.operands)[skip:]
    kinds = [_integers(op, f"static_{kind}") for kind in ("offsets", "sizes", "strides")]
    parts: list[tuple[Entry, ...]] = []
    for static in kinds:
        used = sum(1 for n in static if n == DYNAMIC)
        parts.append(_mix(static, rest[:used]))
        rest = rest[used:]
    return Slice(*parts)


def forall_bounds(op: Any) -> ForallBounds:
    segments = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    operands = list(op.operands)
    parts: list[tuple[Entry, ...]] = []
    for count, kind in zip(segments, ("staticLowerBound", "staticUpperBound", "staticStep"), strict=False):
        parts.append(_mix(_integers(op, kind), operands[:count]))
        operands = operands[count:]
    return ForallBounds(parts[0], parts[1], parts[2], tuple(operands))


def kept_axes(big_rank: int, sizes: Sequence[Entry], small_shape: Sequence[int]) -> tuple[int, ...]:
    """Which dimensions of the big tensor a rank-reduced slice keeps: the others have size 1.

    Size-1 dimensions are dropped greedily from the left, the way MLIR infers it.
    """
    kept: list[int] = []
    surplus = big_rank - len(small_shape)
    for axis in range(big_rank):
        matches = len(kept) < len(small_shape) and _same(sizes[axis], small_shape[len(kept)])
        if (
            surplus
            and sizes[axis] == 1
            and not (matches and _rest_fits(sizes[axis + 1 :], small_shape[len(kept) + 1 :]))
        ):
            surplus -= 1
            continue
        kept.append(axis)
    return tuple(kept)


def _same(size: Entry, extent: int) -> bool:
    return size == extent if isinstance(size, int) else extent == DYNAMIC


def _rest_fits(sizes: Sequence[Entry], shape: Sequence[int]) -> bool:
    """Whether `shape` is `sizes` with some ones dropped."""
    if not shape:
        return all(isinstance(size, int) and size == 1 for size in sizes)
    if not sizes:
        return False
    if _same(sizes[0], shape[0]) and _rest_fits(sizes[1:], shape[1:]):
        return True
    return isinstance(sizes[0], int) and sizes[0] == 1 and _rest_fits(sizes[1:], shape)


def block_of(op: Any, region: int = 0) -> Any:
    return op.regions[region].blocks[0]


def body_operations(op: Any, region: int = 0) -> list[Any]:
    return [child.operation for child in block_of(op, region).operations]


def terminator(op: Any) -> Any:
    return body_operations(op)[-1]


def string_attribute(op: Any, name: str) -> str | None:
    return str(ir.StringAttr(op.attributes[name]).value) if name in op.attributes else None


def is_tensor(value: Any) -> bool:
    return isinstance(value.type, ir.RankedTensorType)


def static_shape(value: Any) -> list[int]:
    """The extents of a tensor value, DYNAMIC where unknown."""
    return [int(n) for n in ir.RankedTensorType(value.type).shape]


def defining_op(value: Any) -> Any | None:
    """The operation that makes `value`, None for a block argument."""
    return None if isinstance(value.owner, ir.Block) else value.owner.operation
