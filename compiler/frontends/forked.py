"""Runs a step in a forked child, so that a crash of native code costs an error message and not the user's
process.

A fork and not a new interpreter (`isolate` has that): the module to lower is already in memory, a fork takes
milliseconds, and the child runs MLIR's passes only, on one thread.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import traceback
import warnings
from collections.abc import Callable

from stratagem.runtime.errors import StratagemError


class CrashError(Exception):
    """The child died; the text says how."""


def run_forked(step: Callable[[], str]) -> str:
    """The text that `step` returns when it runs in a child process.

    Raises the StratagemError that `step` raised, CrashError when the child was killed by a signal.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Other libraries warn about forks beside threads; the child runs single-threaded native code only.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(step, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise CrashError(signal.Signals(os.WTERMSIG(status)).name)
    if not data:
        raise CrashError(f"exit status {os.waitstatus_to_exitcode(status)}")
    # The bytes come from our own child: nobody else can write to the pipe.
    error, text = pickle.loads(data)
    if error is not None:
        raise error
    return str(text)


def _answer(step: Callable[[], str], writer: int) -> None:
    """Runs in the child; never returns, so that nothing of the parent's runs twice."""
    try:
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # stack dumps of native code are not for the user
        try:
            data = pickle.dumps((None, step()))
        except StratagemError as error:
            data = _packed(error)
        except Exception:  # a fault of ours: the parent raises it, with what the child knew
            data = pickle.dumps((RuntimeError(traceback.format_exc()), ""))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(data)
        os._exit(0)
    finally:
        os._exit(1)


def _packed(error: StratagemError) -> bytes:
    """The error without what only this process has; exceptions with keyword-only arguments need their own
    way."""
    return pickle.dumps((_Rebuilt(type(error), error.problem, error.hint, str(error.location or "")), ""))


class _Rebuilt:
    """Pickles as a call that makes the error again."""

    def __init__(self, kind: type[StratagemError], problem: str, hint: str, location: str) -> None:
        self._parts = (kind, problem, hint, location)

    def __reduce__(self) -> tuple[Callable[..., StratagemError], tuple[object, ...]]:
        return _make_error, self._parts


def _make_error(kind: type[StratagemError], problem: str, hint: str, location: str) -> StratagemError:
    return kind(problem, hint=hint, location=location or None)
