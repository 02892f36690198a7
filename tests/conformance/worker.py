"""One worker process: runs the cases it is sent, one after the other, and answers with their outcomes."""

from __future__ import annotations

import os
import time
import traceback
import warnings
from multiprocessing.connection import Connection

from stratagem.runtime.errors import StratagemError
from tests.conformance.outcome import Excluded, Outcome, Verdict, Wrong
from tests.conformance.suites import suite

REFUSALS = ("ModelError", "UnsupportedError", "UsageError", "ShapeError", "RuntimeInputError")


def serve(connection: Connection) -> None:
    """Answers (suite, case) with an Outcome until the other end closes."""
    os.environ["STRATAGEM_CACHE"] = "off"
    warnings.simplefilter("ignore")  # the suites compute their data with overflows on purpose
    while True:
        try:
            name, case = connection.recv()
        except EOFError:
            return
        connection.send(judge(name, case))


def judge(name: str, case: str) -> Outcome:
    """Runs one case. Whatever a compiler error does not explain is a crash."""
    started = time.perf_counter()
    verdict, reason = _run(name, case)
    return Outcome(name, case, verdict, reason, time.perf_counter() - started)


def _run(name: str, case: str) -> tuple[Verdict, str]:
    try:
        suite(name).run(case)
    except Excluded as excluded:
        return Verdict.EXCLUDED, str(excluded)
    except Wrong as wrong:
        return Verdict.WRONG, str(wrong)
    except StratagemError as error:
        refused = any(kind.__name__ in REFUSALS for kind in type(error).__mro__)
        return Verdict.REFUSED if refused else Verdict.CRASHED, str(error)
    except Exception as error:  # the outcome of the case, which the run reports
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Verdict.CRASHED, f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
    return Verdict.PASSED, ""
