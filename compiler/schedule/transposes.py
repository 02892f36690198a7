"""Reads transposed and broadcast operands of contractions in place, instead of copying them first."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.schedule.rebuild import is_copy, replace
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    Access,
    Linear,
    accesses,
    input_count,
    is_contraction,
    is_generic,
    is_permutation,
    is_tensor,
    iterators,
    owner,
)


def fold_operand_copies(op: Any) -> Any:
    """Contraction `op` reads through copies of its operands; returns the op that stands for it (`op` if unchanged)."""
    if not is_contraction(op):
        return op
    operands, reads, changed = list(op.operands), accesses(op), False
    for i in range(input_count(op)):
        while (copy := _copy_behind(operands[i])) is not None:
            composed = _compose(reads[i], copy)
            if composed is None:
                break
            operands[i], reads[i], changed = copy.operands[0], composed, True
    if not changed or not _loops_stay_bounded(reads, len(iterators(op))):
        return op
    return replace(op, operands, reads, iterators(op), {i: i for i in range(len(iterators(op)))})


def _copy_behind(value: Any) -> Any | None:
    op = owner(value) if is_tensor(value) else None
    if op is None or not is_generic(op) or not is_copy(op) or not is_tensor(op.operands[0]):
        return None
    return None if REDUCTION in iterators(op) or not is_permutation(accesses(op)[1]) else op


def _compose(read: Access, copy: Any) -> Access | None:
    """How the copy's source is read where the copy was read through `read`."""
    source, written = accesses(copy)
    at = {r.loop: read[position] for position, r in enumerate(written) if r is not None}
    composed: list[Linear | None] = []
    for result in source:
        if result is None or (result.terms and result.loop is None):
            return None
        composed.append(at[result.loop] if result.terms else result)
    return tuple(composed)


def _loops_stay_bounded(reads: list[Access], loops: int) -> bool:
    bare = {r.loop for a in reads for r in a if r is not None}
    return all(i in bare for i in range(loops))
