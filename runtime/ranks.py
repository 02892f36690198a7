"""Programs that several ranks run together: as threads of this process, or one rank per MPI process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from stratagem.runtime.bindings import load_runtime
from stratagem.runtime.errors import UsageError
from stratagem.runtime.executable import Executable

Array = np.ndarray[Any, Any]
GROUP = 0
"""The runtime's number for the one mesh axis a program is cut over."""


class Runner(Protocol):
    """Anything that runs a program once on whole inputs and gives whole results."""

    rank: int
    label: str

    def run(self, inputs: Any) -> list[Array]: ...


class SingleRank:
    """A program for one rank, in this process."""

    rank = 0

    def __init__(self, executable: Executable) -> None:
        self._executable = executable
        self.label = executable.where

    def run(self, inputs: Any) -> list[Array]:
        return self._executable(**inputs) if isinstance(inputs, dict) else self._executable(*inputs)


class ThreadRanks:
    """All ranks of a program as threads of this process, meeting in the runtime's local group."""

    rank = 0

    def __init__(self, make: Callable[[int], Executable], ranks: int) -> None:
        self._executables = [make(rank) for rank in range(ranks)]
        self.label = f"{ranks} ranks as threads of one process, each: {self._executables[0].where}"

    def run(self, inputs: Any) -> list[Array]:
        """Runs every rank on the same inputs; rank 0's results. Raises the first rank's error."""
        functions = load_runtime().functions
        group = functions.sg_local_group_create(len(self._executables))
        results: list[Any] = [None] * len(self._executables)
        errors: list[BaseException] = []

        def one(rank: int) -> None:
            functions.sg_local_group_join(group, GROUP, rank)
            try:
                results[rank] = SingleRank(self._executables[rank]).run(inputs)
            except BaseException as error:
                errors.append(error)
                functions.sg_local_group_abort(group)

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(len(self._executables))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        functions.sg_local_group_destroy(group)
        if errors:
            raise errors[0]
        outputs: list[Array] = results[0]
        return outputs


class MpiRank:
    """One rank of a program per MPI process."""

    def __init__(self, make: Callable[[int], Executable], ranks: int) -> None:
        from stratagem.runtime.mpi import MpiCollectives

        self._collectives = MpiCollectives()
        size = self._collectives.size
        if size != ranks:
            raise UsageError(
                f"the program is cut for {ranks} ranks, MPI started {size}", hint=f"run it with mpiexec -n {ranks}"
            )
        self.rank = self._collectives.rank
        self._executable = make(self.rank)
        self.label = f"{ranks} MPI ranks, each: {self._executable.where}"

    def run(self, inputs: Any) -> list[Array]:
        with self._collectives.serving(GROUP):
            return SingleRank(self._executable).run(inputs)


def runner(make: Callable[[int], Executable], ranks: int, environment: Mapping[str, str]) -> Runner:
    """The runner that fits: one rank, MPI when this process was started by it, threads otherwise."""
    from stratagem.runtime.launch import started_by_mpi

    if started_by_mpi(environment):
        return MpiRank(make, ranks) if ranks > 1 else SingleRank(make(0))
    return ThreadRanks(make, ranks) if ranks > 1 else SingleRank(make(0))
