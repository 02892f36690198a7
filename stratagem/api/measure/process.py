"""A contender's process as its parent sees it: started, asked, stopped while others have their turn, ended."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stratagem.api.peers.base import Peer

KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_ARENA_MAX": "1"}
"""glibc gives freed memory back to no one: else large results are mapped and faulted in again in every call."""


class Process:
    """`python -m stratagem.api.measure.worker`, for one peer, variant and subject."""

    def __init__(self, peer: Peer, variant: str, subject: Path, scratch: Path, processors: Sequence[int]) -> None:
        """`processors` are those it may run on; it has as many threads."""
        self.peer, self.variant = peer, variant
        threads = len(processors)
        asked = {
            "peer": peer.name,
            "variant": variant,
            "subject": str(subject),
            "scratch": str(scratch),
            "threads": threads,
        }
        scratch.mkdir(parents=True, exist_ok=True)
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # it lives as long as the process
        self._child = subprocess.Popen(
            [sys.executable, "-m", "stratagem.api.measure.worker", json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment(peer, threads),
            start_new_session=True,
        )
        os.sched_setaffinity(self._child.pid, processors)
        self._stopped = False

    def ask(self, timeout: float, **command: Any) -> dict[str, Any]:
        """The answer to a command; `failed` in it says why there is none."""
        self._signal(signal.SIGCONT)
        child = self._child
        assert child.stdin and child.stdout
        try:
            child.stdin.write(json.dumps(command) + "\n")
            child.stdin.flush()
        except BrokenPipeError:
            return {"failed": self._last_words()}
        if not select.select([child.stdout], [], [], timeout)[0]:
            self.end()
            return {"failed": f"no answer within {timeout:.0f} s"}
        line = child.stdout.readline()
        if not line:  # it is about to end, and must not be stopped on the way
            return {"failed": self._last_words()}
        self._signal(signal.SIGSTOP)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Ends the process, and what it started."""
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._log):
            if pipe and not pipe.closed:
                with contextlib.suppress(BrokenPipeError):  # what it was still to be told
                    pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._child.poll() is None:
            os.kill(self._child.pid, number)

    def _last_words(self) -> str:
        code = self._child.wait()
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return f"the process ended: {how}. {lines[-1][:300] if lines else ''}".strip()


def environment(peer: Peer, threads: int) -> dict[str, str]:
    """The variables of a contender's process: the same for all, and what the peer needs itself."""
    # A forced kernel choice of numpy's BLAS would be unfair to whoever uses it.
    kept = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    counts = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "STRATAGEM_THREADS")
    return {**kept, **KEEP_MEMORY, **dict.fromkeys(counts, str(threads)), **peer.environment(threads)}
