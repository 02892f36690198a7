"""Worker processes for cases that may end their process: a crash or a time-out costs one case and one new worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from tests.conformance.outcome import Outcome, Verdict
from tests.conformance.suites import suite
from tests.conformance.worker import serve

Case = tuple[str, str]
CASES_PER_WORKER = 300
"""A worker is replaced after so many cases: compilers and frameworks keep memory."""


@dataclass
class _Worker:
    process: Any
    connection: Connection
    case: Case | None = None
    started: float = 0.0
    served: int = 0

    def give(self, case: Case) -> None:
        self.case, self.started, self.served = case, time.monotonic(), self.served + 1
        self.connection.send(case)

    def stop(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


def outcomes(cases: list[Case], jobs: int, timeout: float) -> Iterator[Outcome]:
    """The outcome of each case, as they come, by `jobs` processes; a case may take `timeout` seconds."""
    waiting = list(reversed(cases))
    workers = [_start() for _ in range(min(jobs, len(cases)))]
    try:
        while waiting or any(worker.case for worker in workers):
            for worker in workers:
                if worker.case is None and waiting:
                    worker.give(waiting.pop())
            wait([w.connection for w in workers if w.case], timeout=1.0)
            for number, worker in enumerate(workers):
                found = _collect(worker, timeout)
                if found is None:
                    continue
                yield found
                if worker.case is not None or worker.served >= CASES_PER_WORKER:
                    worker.stop()
                    workers[number] = _start()
    finally:
        for worker in workers:
            worker.stop()


def _start() -> _Worker:
    """A new process, not a fork of this one: a fork would inherit the runtime without its threads."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=False)
    process.start()
    there.close()
    return _Worker(process, here)


def _collect(worker: _Worker, timeout: float) -> Outcome | None:
    """The outcome of the worker's case, if there is one by now; `case` stays set where the worker is of no more use."""
    if worker.case is None:
        return None
    name, case = worker.case
    if worker.connection.poll():
        try:
            outcome: Outcome = worker.connection.recv()
        except EOFError:
            worker.process.join()
            return Outcome(name, case, Verdict.CRASHED, f"the process ended with code {worker.process.exitcode}")
        worker.case = None
        return outcome
    timeout = max(timeout, getattr(suite(name), "SECONDS", 0.0))
    if time.monotonic() - worker.started > timeout:
        return Outcome(name, case, Verdict.CRASHED, f"took more than {timeout:.0f} s", timeout)
    return None
