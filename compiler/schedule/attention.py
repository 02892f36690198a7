"""Finds attention: a contraction, row work on its result (scale, mask, softmax), and a contraction that
consumes it.

The three make one kernel, tiled over batch, heads and query rows, so that scores never leave the unit. Known from fused
attention kernels; here the scores of a tile are kept whole, so the maths is unchanged.
"""

from __future__ import annotations

from typing import Any

from stratagem.compiler.schedule.dims import analyse
from stratagem.compiler.schedule.footprint import ASSUMED
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    dtype,
    dtype_bytes,
    inputs,
    is_contraction,
    is_generic,
    is_tensor,
    iterators,
    owner,
    shape,
)

LONGEST = 40


def attention_seeds(block: Any, room: int) -> dict[Any, int]:
    """Op -> number of the attention it belongs to. `room`: bytes that the rows of one query may take in a
    unit."""
    seeds: dict[Any, int] = {}
    number = 0
    for view in block.operations:
        op = view.operation
        if not is_contraction(op) or op in seeds:
            continue
        for value in inputs(op):
            found = _between_contractions(op, value)
            if found and not any(o in seeds for o in found) and _one_tiling(found, op) and _row_bytes(found) <= room:
                seeds |= dict.fromkeys([*found, op], number)
                number += 1
                break
    return seeds


def _between_contractions(consumer: Any, value: Any) -> list[Any]:
    """The ops from another contraction to `value`, when nothing else reads what they make; else nothing."""
    path: dict[Any, bool] = {}
    if not is_tensor(value) or not _follow(owner(value), path):
        return []
    chain = [op for op, follows in path.items() if follows]
    first = [op for op in chain if is_contraction(op)]
    inside = {*chain, consumer}
    used_outside = any(use.owner.operation not in inside for op in chain for r in op.results for use in r.uses)
    reduces = any(REDUCTION in iterators(op) for op in chain if not is_contraction(op))
    return chain if len(first) == 1 and reduces and not used_outside else []


def _follow(op: Any, path: dict[Any, bool]) -> bool:
    """Marks in `path` which ops behind `op` depend on a contraction; whether `op` does."""
    if op is None or not is_generic(op) or len(path) > LONGEST:
        return False
    if op not in path:
        path[op] = is_contraction(op)
        for value in inputs(op) if not path[op] else []:
            behind = is_tensor(value) and _follow(owner(value), path)
            path[op] = path[op] or behind
    return path[op]


def _one_tiling(chain: list[Any], consumer: Any) -> bool:
    return len(analyse([*chain, consumer]).common) >= 1


def _row_bytes(chain: list[Any]) -> int:
    """Bytes of what the chain makes for one query row: the innermost extent of each tensor."""
    total = 0
    for op in chain:
        for result in op.results:
            last = shape(result)[-1] if result.type.rank else 1
            total += (ASSUMED if last is None else last) * dtype_bytes(dtype(result))
    return total
