"""Which loop indexes which dimension of a linalg operation's operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stratagem.compiler.sharding.structure import indexing_maps, loops_in, plain_dims


@dataclass(frozen=True)
class Maps:
    """`dims[i][d]`: the loop that indexes dimension d of operand i, None for any other expression, whose text is
    `texts[i][d]`. `windowed`: the loops of such expressions. `results[i]`: the loops of result i."""

    loops: int
    dims: tuple[tuple[int | None, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    windowed: frozenset[int]
    results: tuple[tuple[int, ...], ...]


def maps_of(op: Any) -> Maps | None:
    """The maps of a linalg operation; None where it has none, or results that are not indexed by loops alone."""
    maps = indexing_maps(op)
    if maps is None:
        return None
    dims = plain_dims(maps)
    results = tuple(tuple(d for d in one if d is not None) for one in dims[len(maps) - len(op.results) :])
    is_plain = all(len(set(one)) == len(maps[i - len(results)].results) for i, one in enumerate(results))
    if not is_plain or len({frozenset(one) for one in results}) != 1:
        return None
    texts = tuple(tuple(str(e) for e in one.results) for one in maps)
    return Maps(maps[0].n_dims, dims, texts, _windowed(maps, dims), results)


def _windowed(maps: list[Any], dims: tuple[tuple[int | None, ...], ...]) -> frozenset[int]:
    found = set[int]()
    for one, plain in zip(maps, dims, strict=True):
        for expression, loop in zip(one.results, plain, strict=True):
            found |= loops_in(expression) if loop is None else set()
    return frozenset(found)
