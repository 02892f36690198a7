"""Judging in a process of its own: a native crash or an endless loop costs one case and one process."""

from __future__ import annotations

import os
import tempfile
import warnings
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from tests.fuzz.case import Case
from tests.fuzz.judge import FAILED, Outcome, judge

CASES_PER_PROCESS = 200
"""A process is replaced after so many cases: loaded code stays in memory."""


def serve(connection: Connection) -> None:
    """Answers cases with outcomes until the other end closes."""
    os.environ.update(STRATAGEM_CACHE="off", STRATAGEM_THREADS="2", OPENBLAS_NUM_THREADS="1")
    os.environ["STRATAGEM_REPRODUCERS"] = tempfile.mkdtemp(prefix="stratagem-fuzz-")
    warnings.simplefilter("ignore")  # numbers overflow here on purpose
    while True:
        try:
            case = connection.recv()
        except EOFError:
            return
        connection.send(judge(case))


class Worker:
    """A process that judges one case at a time; it is replaced when it ends or takes longer than `timeout` seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._process: Any = None
        self._connection: Any = None
        self._served = 0

    def judge(self, case: Case) -> Outcome:
        if self._process is None or self._served >= CASES_PER_PROCESS:
            self.stop()
            self._start()
        self._served += 1
        self._connection.send(case)
        if not self._connection.poll(self._timeout):
            self.stop()
            return Outcome(FAILED, "time-out", f"took more than {self._timeout:.0f} s")
        try:
            outcome: Outcome = self._connection.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self.stop()
            return Outcome(FAILED, f"crash: exit code {code}", "the process that judged it ended")
        return outcome

    def _start(self) -> None:
        """Not a fork: it would inherit the runtime without its threads."""
        context = get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=serve, args=(there,), daemon=False)
        self._process.start()
        there.close()
        self._served = 0

    def stop(self) -> None:
        if self._process is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
        self._process = None
