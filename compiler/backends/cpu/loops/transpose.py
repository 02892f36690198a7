"""Square blocks turned in registers, for operands that are dense along another loop than the lanes."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.backends.cpu.build import Size, add, i64, mul, splat
from stratagem.compiler.backends.cpu.loops.access import Access


def transpose_block(rows: list[Any]) -> list[Any]:
    """`n` vectors of `n` lanes, a power of two: element j of result i is element i of row j.

    log2(n) steps exchange off-diagonal squares of 1, 2, 4 ... lanes between pairs of rows.
    """
    size = len(rows)
    result = list(rows)
    distance = 1
    while distance < size:
        low = [j if not j & distance else size + j - distance for j in range(size)]
        high = [j + distance if not j & distance else size + j for j in range(size)]
        for i in range(size):
            if not i & distance:
                a, b = result[i], result[i + distance]
                result[i], result[i + distance] = _shuffle(a, b, low), _shuffle(a, b, high)
        distance *= 2
    return result


def load_turned(
    access: Access, offset: Size, step: Size, lanes: int, columns: Any = None, rows: int | None = None
) -> list[Any]:
    """`lanes` vectors: element j of vector i is at `offset + i + j * step`.

    Args:
        columns: how many j exist, a number or an i64; the elements of the others are read again from the last one.
        rows: how many i exist; vectors from there on hold anything.
    """
    active = i64(rows) if rows is not None and rows < lanes else None
    loaded = []
    for j in range(lanes):
        if isinstance(columns, int):
            place = mul(step, min(j, columns - 1))
        elif columns is not None:
            place = mul(step, arith.minsi(i64(j), arith.subi(columns, i64(1))))
        else:
            place = mul(step, j)
        loaded.append(splat(access.load_vector(add(offset, place), 1, lanes, active), lanes))
    return transpose_block(loaded)


def _shuffle(a: Any, b: Any, lanes: list[int]) -> Any:
    attributes = {"mask": ir.DenseI64ArrayAttr.get(lanes)}
    return ir.Operation.create("vector.shuffle", results=[a.type], operands=[a, b], attributes=attributes).result
