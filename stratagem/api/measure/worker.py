"""One contender that holds one model: loads it, checks it, and runs it for as long as it is told.

    python -m stratagem.api.measure.worker '{"peer": ..., "variant": ..., ...}'

Reads one JSON object a line from standard input and answers with one on what was standard output; anything that
libraries print goes to standard error.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from stratagem.api.measure.agreement import distance
from stratagem.api.measure.busy import worked
from stratagem.api.measure.subject import open_subject
from stratagem.api.peers import OURS, PEERS
from stratagem.api.peers.base import Loaded, Task

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Holder:
    """A contender and its model."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._subject = open_subject(Path(asked["subject"]))
        self._peer = {**PEERS, OURS.name: OURS}[asked["peer"]]
        self._asked = asked
        self._task: Task | None = None  # some peers read its arrays in place, and keep no reference
        self._loaded: Loaded | None = None

    def _asked_task(self) -> Task:
        subject, asked = self._subject, self._asked
        return Task(
            subject.files,
            subject.inputs(),
            asked["threads"],
            asked["variant"],
            Path(asked["scratch"]),
            subject.convolutional,
            subject.parameters,
            subject.target,
        )

    def load(self) -> dict[str, Any]:
        """Loads, runs three times and checks; memory is measured over what the libraries alone take."""
        import importlib

        for package in self._peer.packages:
            importlib.import_module(package)
        source = self._peer.source()
        before = memory("VmRSS")  # inputs count as memory that serving takes
        self._task = task = self._asked_task()
        started = time.perf_counter()
        self._loaded = loaded = source.load(task)
        ready = time.perf_counter()
        loaded.call()
        first = time.perf_counter()
        gc.collect()
        whole = not restart_high_water_mark()
        loaded.call()
        serving = memory("VmHWM")
        return {
            **self.check(),
            "version": self._peer.version_text(),
            "load_s": ready - started,
            "first_s": first - ready,
            "bytes_before": before,
            "bytes_serving": serving,
            "facts": {**loaded.facts, **({"memory_includes_loading": True} if whole else {})},
        }

    def check(self) -> dict[str, Any]:
        """One more run, against the reference."""
        loaded = self.loaded
        error, wrong = distance(loaded.fetch(loaded.call()), self._subject.reference())
        return {"error": error, "wrong": wrong}

    def run(self, warm: float, seconds: float) -> dict[str, Any]:
        """Seconds of each call, after `warm` seconds of calls that do not count."""
        call, clock = self.loaded.call, time.perf_counter
        gc.collect()
        gc.disable()
        end = clock() + warm
        while clock() < end:
            call()
        times: list[float] = []
        started, own, total = clock(), sum(os.times()[:2]), worked()
        end = started + seconds
        while not times or clock() < end:
            before = clock()
            call()
            times.append(clock() - before)
        gc.enable()
        return {
            "times": times,
            "wall": clock() - started,
            "own": sum(os.times()[:2]) - own,
            "total": worked() - total,
            "processors": len(os.sched_getaffinity(0)),
        }

    @property
    def loaded(self) -> Loaded:
        if self._loaded is None:
            raise RuntimeError("nothing is loaded")
        return self._loaded


def restart_high_water_mark() -> bool:
    """Whether the kernel let this process forget the most memory it had so far; some containers do not."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except PermissionError:
        return False
    return True


def memory(field: str) -> int:
    """Bytes that /proc/self/status says."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def end_with_parent() -> None:
    """A stopped process would wait for ever for a parent that was killed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), "prctl")


def main() -> None:
    end_with_parent()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    holder = Holder(json.loads(sys.argv[1]))
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(holder, command.pop("do"))(**command)
        except Exception as error:  # told to the parent, which shows it in place of a time
            traceback.print_exc()
            answer = {"failed": f"{type(error).__name__}: {str(error)[:500]}"}
        answers.write(json.dumps(answer) + "\n")
    answers.flush()
    os._exit(0)  # some runtimes hang while they are taken down


if __name__ == "__main__":
    main()
