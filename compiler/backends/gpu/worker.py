"""A helper process that holds Triton, so that a crash inside it is an error message here and nothing leaks.

Triton runs LLVM in process, where a bad option can end in an abort; its interpreter patches the library it
runs. Both are kept out of the user's process. The workers never import torch, which Triton would otherwise
load when present.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from stratagem.compiler.backends.gpu.protocol import Message, read_message, write_message
from stratagem.runtime.errors import ResourceError

PACKAGE = "stratagem.compiler.backends.gpu"
TAIL = 2000
"""Characters of a crashed worker's output that its error message quotes."""


def require_triton() -> None:
    """Raises ResourceError when Triton is not installed."""
    if importlib.util.find_spec("triton") is None:
        raise ResourceError(
            "the GPU backend needs Triton, which is not installed",
            hint="install it with: pip install stratagem[gpu]",
        )


class WorkerDiedError(ResourceError):
    """The worker process ended instead of answering."""


class Worker:
    """One worker process, started on first use and closed with the object (or the `with` block).

    Args:
        module: the worker's module name inside this package.
        environment: variables set for it on top of this process's own.
    """

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        self._module = module
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, data: dict[str, Any], blobs: Sequence[bytes] = ()) -> Message:
        """Sends a request and waits for the answer; threads take turns.

        Raises WorkerDiedError with the end of the worker's output when it died instead of answering.
        """
        with self._turn:
            return self._answer(data, blobs)

    def _answer(self, data: dict[str, Any], blobs: Sequence[bytes]) -> Message:
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        try:
            write_message(process.stdin, data, blobs)  # type: ignore[arg-type]
            answer = read_message(process.stdout)  # type: ignore[arg-type]
        except BrokenPipeError:
            answer = None
        if answer is None:
            raise self._died()
        return answer

    def close(self) -> None:
        """Ends the process; safe to call again."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
            process.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            require_triton()
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
            search = os.pathsep.join(p for p in sys.path if p)
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{PACKAGE}.{self._module}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, "PYTHONPATH": search, **self._environment},
                cwd=Path(tempfile.gettempdir()),
            )
        return self._process

    def _died(self) -> WorkerDiedError:
        assert self._process is not None and self._log is not None
        code = self._process.wait()
        self._log.seek(0)
        tail = self._log.read().decode(errors="replace")[-TAIL:].strip()
        self.close()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return WorkerDiedError(
            f"the process that runs Triton ended with {how}" + (f":\n{tail}" if tail else ""),
            hint="the kernel can run on the host member instead",
        )


def serve(answer: Callable[[dict[str, Any], list[bytes]], Message]) -> None:
    """The main loop of a worker: answers requests on its standard streams until they close.

    Whatever a library prints to standard output goes to standard error, so that it cannot break the protocol.
    """
    sys.modules["torch"] = None  # type: ignore[assignment]
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    while (message := read_message(requests)) is not None:
        write_message(replies, *answer(*message))
