"""Which loops of two operations run together where both reach the same elements of a tensor."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.schedule.structured import Access, Linear, places

Loops = dict[int, int]
"""Loop of one op -> the loop of another that it runs with."""


def read_before(op: Any, read: Access) -> Access | None:
    """How what an elementwise op reads is read, in terms of the loops that read what it writes by `read`."""
    loops: Loops = {}
    taken, written = places(op)
    if not run_together(written, read, loops):
        return None
    found = []
    for r in taken:
        terms = tuple((loops[loop], factor) for loop, factor in r.terms) if r is not None else ()
        found.append(Linear(terms, r.constant) if terms and r is not None else r)
    return tuple(found)


def run_together(first: Access, second: Access, loops: Loops) -> bool:
    """Whether two accesses of one tensor reach the same element when the loops of the first run with those of the
    second; extends `loops`."""
    return all(_one_place(a, b, loops) for a, b in zip(first, second, strict=True))


def _one_place(a: Linear | None, b: Linear | None, loops: Loops) -> bool:
    if a is None or b is None:
        return False
    if not a.terms and not b.terms:
        return a.constant == b.constant
    return a.loop is not None and b.loop is not None and loops.setdefault(a.loop, b.loop) == b.loop
