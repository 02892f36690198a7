"""SPMD programs: every rank of a mesh runs the same program in a thread of its own; ranks meet in collectives."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from typing import Any

from stratagem.compiler.interpreter.values import Value
from stratagem.compiler.interpreter.violation import Violation

Mesh = Sequence[tuple[str, int]]
"""Axes from the outermost in, as (name, size); ranks are numbered row by row."""


@dataclass
class _Meeting:
    """One collective of one group while its ranks arrive."""

    group: tuple[int, ...]
    signature: tuple[Any, ...]
    location: str
    parts: dict[int, Value] = field(default_factory=dict)


class Rendezvous:
    """Where ranks wait for each other. Detects ranks that call different collectives, and ranks that wait
    in vain.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = list(mesh)
        self.size = prod(size for _, size in mesh)
        self._changed = threading.Condition()
        self._open: dict[tuple[int, ...], _Meeting] = {}
        self._waiting: dict[int, str] = {}
        self._finished: set[int] = set()
        self.failure: BaseException | None = None

    def group(self, rank: int, axis: str) -> tuple[int, ...]:
        """The ranks that differ from `rank` along `axis` only; an empty name is the only axis, or all
        ranks.
        """
        if not axis:
            return tuple(range(self.size))
        stride = self._stride(axis)
        size = dict(self.mesh)[axis]
        first = rank - (rank // stride % size) * stride
        return tuple(first + i * stride for i in range(size))

    def _stride(self, axis: str) -> int:
        names = [name for name, _ in self.mesh]
        if axis not in names:
            raise Violation("collective", f"the mesh has axes {names}, not '{axis}'")
        return prod(size for _, size in self.mesh[names.index(axis) + 1 :])

    def meet(self, rank: int, axis: str, signature: tuple[Any, ...], value: Value, location: str) -> list[Value]:
        """Blocks until every rank of the group has brought its value; returns all, in rank order.

        Raises Violation when ranks of a group call different collectives, or when some will never arrive.
        """
        group = self.group(rank, axis)
        with self._changed:
            self._check_failure()
            meeting = self._open.setdefault(group, _Meeting(group, signature, location))
            if meeting.signature != signature:
                self._fail(
                    Violation(
                        f"system.{signature[0]}",
                        f"rank {rank} calls {_text(signature)} while rank {min(meeting.parts)} calls "
                        f"{_text(meeting.signature)}",
                        location,
                    )
                )
            meeting.parts[rank] = value
            if len(meeting.parts) == len(group):
                del self._open[group]
                for member in group:
                    self._waiting.pop(member, None)
                self._changed.notify_all()
            else:
                self._waiting[rank] = f"{_text(signature)} at {location}"
                self._check_deadlock()
                while len(meeting.parts) < len(group):
                    self._changed.wait()
                    self._check_failure()
            return [meeting.parts[member] for member in group]

    def finish(self, rank: int, failure: BaseException | None) -> None:
        """A rank has ended, normally or not."""
        with self._changed:
            self._finished.add(rank)
            if failure is not None and self.failure is None:
                self.failure = failure
                self._changed.notify_all()
            elif self._waiting:
                with suppress(Violation):  # kept in `failure`, which the waiting ranks raise
                    self._check_deadlock()

    def _check_deadlock(self) -> None:
        if len(self._waiting) + len(self._finished) < self.size:
            return
        waiting = "; ".join(f"rank {rank} in {where}" for rank, where in sorted(self._waiting.items()))
        ended = f"; ranks {sorted(self._finished)} have ended" if self._finished else ""
        self._fail(Violation("collective", f"no rank can go on: {waiting}{ended}"))

    def _fail(self, failure: Violation) -> None:
        self.failure = self.failure or failure
        self._changed.notify_all()
        raise failure

    def _check_failure(self) -> None:
        if self.failure is not None:
            raise Abandoned from self.failure


class Abandoned(Exception):
    """Raised in a rank because another one has failed."""


@dataclass(frozen=True)
class Rank:
    """One rank's view of the mesh."""

    number: int
    rendezvous: Rendezvous

    def place(self, axis: str) -> int:
        """This rank's place on a mesh axis, from 0."""
        return self.rendezvous.group(self.number, axis).index(self.number)

    def meet(self, axis: str, signature: tuple[Any, ...], value: Value, location: str) -> list[Value]:
        return self.rendezvous.meet(self.number, axis, signature, value, location)


def run_ranks(rendezvous: Rendezvous, work: Sequence[Any]) -> list[Any]:
    """Runs one function per rank to the end; raises the first failure."""
    results: list[Any] = [None] * len(work)

    def run(rank: int) -> None:
        failure: BaseException | None = None
        try:
            results[rank] = work[rank]()
        except BaseException as problem:
            failure = None if isinstance(problem, Abandoned) else problem
        rendezvous.finish(rank, failure)

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if rendezvous.failure is not None:
        raise rendezvous.failure
    return results


def _text(signature: tuple[Any, ...]) -> str:
    kind, axis, reduction, dim, element, *sizes = signature
    shape = "x".join("?" if n < 0 else str(n) for n in sizes)
    return f"{kind}(axis '{axis}'{f', {reduction}' if reduction else ''}, dim {dim}, {shape}x{element})"
