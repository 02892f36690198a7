"""Puts the ops of a block into an order in which every value is made before it is used."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.ir import location_text
from stratagem.compiler.schedule.structured import owner, reads
from stratagem.runtime.errors import PassError


def sort_block(block: Any) -> None:
    """A stable sort by need; the terminator stays last. Raises PassError when operations need each other."""
    ops = [view.operation for view in block.operations]
    inside = set(ops)
    placed: set[Any] = set()
    entered: set[Any] = set()
    ordered: list[Any] = []
    # What the program asserts about its inputs holds before anything is computed from them.
    for root in sorted(ops[:-1], key=lambda op: op.name != "cf.assert"):
        stack = [(root, False)]
        while stack:
            op, ready = stack.pop()
            if op in placed:
                continue
            if ready:
                placed.add(op)
                ordered.append(op)
                continue
            if op in entered:
                problem = f"{op.name} would need its own result to be computed"
                raise PassError(problem, location=location_text(op))
            entered.add(op)
            stack.append((op, True))
            needed = [o for v in reads(op) if (o := owner(v)) is not None and o in inside and o not in placed]
            stack.extend((o, False) for o in reversed(needed))
    for op in ordered:
        op.move_before(ops[-1])
