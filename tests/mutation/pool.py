"""Worker processes for tasks: a mutant that ends its process costs one new worker, and counts as noticed by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import Any

from tests.mutation.subjects import SUBJECTS
from tests.mutation.worker import FalseAlarm, Found, Mutant, Task, serve


@dataclass
class _Worker:
    process: Any
    connection: Any
    task: Task | None = None
    tried: int = 0
    missing: int = 0
    ended: bool = False

    def give(self, task: Task, tried: int, missing: int) -> None:
        self.task, self.tried, self.missing = task, tried, missing
        self.connection.send((task, tried, missing))

    def stop(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


def results(tasks: list[Task], jobs: int) -> Iterator[Found]:
    """What all tasks find, as it comes, by `jobs` processes."""
    waiting = [(task, 0, task.count) for task in reversed(tasks)]
    workers = [_start() for _ in range(min(jobs, len(tasks)))]
    try:
        while waiting or any(worker.task for worker in workers):
            for worker in workers:
                if worker.task is None and waiting:
                    worker.give(*waiting.pop())
            ready = wait([worker.connection for worker in workers if worker.task])
            for number, worker in enumerate(workers):
                if worker.connection not in ready:
                    continue
                found = _received(worker)
                if found is not None:
                    yield found
                if worker.ended:
                    worker.stop()
                    workers[number] = _start()
                    if worker.task is not None and worker.missing > 0:
                        waiting.append((worker.task, worker.tried, worker.missing))
    finally:
        for worker in workers:
            worker.stop()


def _start() -> _Worker:
    """A new process, not a fork of this one: a fork would inherit the runtime without its threads."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


def _received(worker: _Worker) -> Found | None:
    """One result of the worker; None when its task is done."""
    task = worker.task
    assert task is not None
    try:
        found: Found | None = worker.connection.recv()
    except EOFError:
        worker.process.join()
        worker.ended = True
        ended = f"the process ended with code {worker.process.exitcode}"
        found = Mutant(
            SUBJECTS[task.subject].name, "", f"pass {task.number}", "crash", f"edit {worker.tried}", ended, ""
        )
    if found is None:
        worker.task = None
        return None
    worker.tried += not isinstance(found, FalseAlarm)
    worker.missing -= isinstance(found, Mutant)
    return found
