"""Which loop indexes which dimension of a linalg operation's operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.sharding.structure import loops_in, plain_dims


@dataclass(frozen=True)
class Maps:
    """`dims[i][d]`: the loop that indexes dimension d of operand i, None for any other expression, whose text is
    `texts[i][d]`. `windowed`: the loops of such expressions. `results[i]`: the loops of result i, None for a dimension
    of one place that no loop indexes. `places[l]`: (operand, dimension) pairs that loop l indexes.
    """

    loops: int
    dims: tuple[tuple[int | None, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    windowed: frozenset[int]
    results: tuple[tuple[int | None, ...], ...]
    places: tuple[tuple[tuple[int, int], ...], ...]


def maps_of(op: Any, maps: list[Any]) -> Maps | None:
    """The affine maps of a linalg operation, read; None where a result is not indexed by loops alone."""
    dims = plain_dims(maps)
    results = dims[len(maps) - len(op.results) :]
    if not all(
        _is_plain(one, loops, r.type) for one, loops, r in zip(maps[-len(results) :], results, op.results, strict=True)
    ):
        return None
    if len({frozenset(loops) - {None} for loops in results}) != 1:
        return None
    texts = tuple(tuple(str(e) for e in one.results) for one in maps)
    places = tuple(
        tuple((i, d) for i, one in enumerate(dims) for d, at in enumerate(one) if at == loop)
        for loop in range(maps[0].n_dims)
    )
    return Maps(maps[0].n_dims, dims, texts, _windowed(maps, dims), results, places)


def _is_plain(one: Any, loops: tuple[int | None, ...], kind: Any) -> bool:
    """Whether each iteration that differs in the loops of a result writes another element, and all elements."""
    indexed = [loop for loop in loops if loop is not None]
    rest = [(e, d) for d, (e, loop) in enumerate(zip(one.results, loops, strict=True)) if loop is None]
    return len(set(indexed)) == len(indexed) and all(
        str(e) == "0" and ir.RankedTensorType(kind).get_dim_size(d) == 1 for e, d in rest
    )


def _windowed(maps: list[Any], dims: tuple[tuple[int | None, ...], ...]) -> frozenset[int]:
    found = set[int]()
    for one, plain in zip(maps, dims, strict=True):
        for expression, loop in zip(one.results, plain, strict=True):
            found |= loops_in(expression) if loop is None else set()
    return frozenset(found)
