"""Timing in turns: every contender is loaded and checked, then all run round after round, and are checked again."""

from __future__ import annotations

import hashlib
import os
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratagem.api.measure.busy import Busy
from stratagem.api.measure.figures import Contender, Row
from stratagem.api.measure.process import Process
from stratagem.api.measure.subject import Subject
from stratagem.api.peers import OURS
from stratagem.api.peers.base import Peer
from stratagem.runtime.errors import ResourceError

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        threads: of every contender. seconds: how long each is timed, over all rounds.
        margin: variants of a peer that are slower than its fastest by more than this are not timed further.
        load_timeout, run_timeout: seconds before a contender counts as stuck.
        scratch: folder for what compilers keep between runs.
    """

    threads: int
    scratch: Path
    seconds: float = 1.0
    rounds: int = 5
    margin: float = 1.2
    load_timeout: float = 900.0
    run_timeout: float = 120.0


def measure(subject: Subject, kind: str, peers: Sequence[Peer], settings: Settings, tell: Tell) -> Row:
    """Measures Stratagem and the peers on one subject; what cannot run or is wrong is in the row with its reason.

    Raises ResourceError when this process may use fewer processors than threads are asked for.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < settings.threads:
        raise ResourceError(
            f"{settings.threads} threads need as many processors, and this process may use {len(allowed)}",
            hint=f"--threads {len(allowed)}",
        )
    contenders: list[Contender] = []
    running: list[tuple[Contender, Process]] = []
    with ExitStack() as ends:
        for peer in [OURS, *peers]:
            started = _start(peer, subject, allowed[: settings.threads], settings, tell, ends)
            contenders += [contender for contender, _ in started]
            running += _worth_timing(started, settings)
        busy = _race(running, settings)
    return Row(subject.name, kind, settings.threads, contenders, subject.work, busy)


def _start(
    peer: Peer, subject: Subject, processors: Sequence[int], settings: Settings, tell: Tell, ends: ExitStack
) -> list[tuple[Contender, Process | None]]:
    """Loads a peer's variants, one after the other; `ends` gets what ends their processes."""
    if peer.format and peer.format not in subject.files:
        why = subject.missing.get(peer.format, f"there is no {peer.format} of {subject.name}")
        return [(Contender(peer.name, "", failed=why), None)]
    started: list[tuple[Contender, Process | None]] = []
    for variant in peer.variants:
        if not peer.suits(variant, subject.convolutional, subject.parameters):
            continue
        tell(f"{subject.name}: {peer.name} {variant}")
        scratch = scratch_of(settings.scratch, subject, peer, variant)
        process = Process(peer, variant, subject.folder, scratch, processors)
        ends.callback(process.end)
        contender = _load(process, settings)
        if contender.failed:
            tell(f"{subject.name}: {peer.name} {variant}: {contender.failed}")
            process.end()
        started.append((contender, None if contender.failed else process))
    return started


def _load(process: Process, settings: Settings) -> Contender:
    """Loaded, checked, and timed for a moment, which `_worth_timing` goes by."""
    contender = Contender(process.peer.name, process.variant)
    answer = process.ask(settings.load_timeout, do="load")
    contender.failed = answer.pop("failed", "")
    if contender.failed:
        return contender
    contender.failed = _wrong(answer)
    for name, value in answer.items():
        setattr(contender, name, value)
    if not contender.failed:
        _turn(contender, process, 0.0, min(0.2, settings.seconds / 4), settings)
    return contender


def scratch_of(root: Path, subject: Subject, peer: Peer, variant: str) -> Path:
    """Where a peer keeps what it compiled: one folder for each model, version and variant."""
    model = subject.files.get(peer.format) or next(iter(subject.files.values()))
    stat = model.stat()
    key = f"{model.resolve()} {stat.st_size} {stat.st_mtime_ns} {peer.version_text()} {variant}"
    return root / "compiled" / f"{subject.name}-{peer.name}-{variant}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _wrong(answer: dict[str, Any]) -> str:
    wrong = answer.pop("wrong", "")
    return f"WRONG: {wrong}" if wrong else ""


def _worth_timing(
    started: Sequence[tuple[Contender, Process | None]], settings: Settings
) -> list[tuple[Contender, Process]]:
    """Variants that may be a peer's fastest; the others end here, and only their first impression stays."""
    alive = [(c, p) for c, p in started if p is not None]
    fastest = min((c.minimum for c, _ in alive), default=0.0)
    kept = []
    for contender, process in alive:
        contender.rounds.clear()
        if contender.minimum > settings.margin * fastest:
            process.end()
            continue
        contender.calls = 0
        kept.append((contender, process))
    return kept


def _race(running: Sequence[tuple[Contender, Process]], settings: Settings) -> float:
    """Times all in turns, each round beginning with another one; returns how busy others kept the machine."""
    slice_s = settings.seconds / settings.rounds
    busy = Busy()
    for number in range(settings.rounds):
        first = number % max(1, len(running))
        for contender, process in [*running[first:], *running[:first]]:
            if not contender.failed:
                busy.add(_turn(contender, process, min(0.05, slice_s / 4), slice_s, settings))
    for contender, process in running:
        if not contender.failed:
            answer = process.ask(settings.run_timeout, do="check")
            contender.failed = answer.get("failed", "") or _wrong(answer)
    return busy.share


def _turn(
    contender: Contender, process: Process, warm: float, seconds: float, settings: Settings
) -> dict[str, Any] | None:
    """One slice; its median joins the contender's rounds."""
    answer = process.ask(settings.run_timeout + seconds, do="run", warm=warm, seconds=seconds)
    if "failed" in answer:
        contender.failed = answer["failed"]
        return None
    times = answer["times"]
    contender.rounds.append(statistics.median(times))
    contender.minimum = min(times if not contender.calls else [contender.minimum, *times])
    contender.calls += len(times)
    return answer
