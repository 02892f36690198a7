"""What was measured, and the arithmetic on it: medians, ratios to the best peer, means over rows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from stratagem.api.measure.subject import Work


@dataclass
class Contender:
    """One way to run a model, as measured. Times in seconds, memory in bytes.

    Attributes:
        failed: why there are no times, or why they do not count: not runnable, or wrong results.
        rounds: median of each round; every contender of a row has as many. minimum, calls: over all rounds.
        error: distance from the reference, see `agreement.py`. facts: what the peer told about loading.
        bytes_before, bytes_serving: resident memory before loading, and the most of it during a run.
    """

    peer: str
    variant: str
    failed: str = ""
    version: str = ""
    error: float = 0.0
    load_s: float = 0.0
    first_s: float = 0.0
    bytes_before: int = 0
    bytes_serving: int = 0
    rounds: list[float] = field(default_factory=list)
    minimum: float = 0.0
    calls: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        return not self.failed and bool(self.rounds)

    @property
    def median(self) -> float:
        """The median over rounds of the rounds' medians."""
        return statistics.median(self.rounds) if self.rounds else math.nan

    @property
    def compile_s(self) -> float:
        """From the model's file to the first result; the peer tells it where it keeps what it compiled."""
        return float(self.facts.get("ready_s", self.load_s)) + self.first_s


@dataclass
class Row:
    """One model with some threads.

    Attributes:
        busy: share of the machine's processors that other processes used while contenders were timed.
    """

    name: str
    kind: str
    threads: int
    contenders: list[Contender]
    work: Work | None = None
    busy: float = 0.0

    @property
    def ours(self) -> Contender | None:
        """Stratagem, where it ran and its results are right."""
        return next((c for c in self.contenders if c.peer == "stratagem" and c.counts), None)

    def of(self, peer: str) -> Contender | None:
        """A peer's fastest variant that counts."""
        counted = [c for c in self.contenders if c.peer == peer and c.counts]
        return min(counted, key=lambda c: c.median, default=None)

    @property
    def best(self) -> Contender | None:
        """The fastest peer whose results are right."""
        counted = [c for c in self.contenders if c.peer != "stratagem" and c.counts]
        return min(counted, key=lambda c: c.median, default=None)

    @property
    def ratio(self) -> float:
        """The best peer's time by ours: the median over rounds, so that a change of the machine's pace hits both

        NaN where one of them is missing.
        """
        return ratio(self.best, self.ours)

    @property
    def ratio_of_minima(self) -> float:
        """The shortest time of any peer by our shortest: where others disturb, closest to a quiet machine's ratio."""
        minima = [c.minimum for c in self.contenders if c.peer != "stratagem" and c.counts]
        return min(minima) / self.ours.minimum if self.ours and minima else math.nan

    @property
    def memory_ratio(self) -> float:
        """Ours: bytes that serving adds to the process, over weights and the largest live activations."""
        if self.ours is None or self.work is None:
            return math.nan
        return (self.ours.bytes_serving - self.ours.bytes_before) / (self.work.weights + self.work.live)

    def to_json(self) -> dict[str, Any]:
        """Everything, and the ratio, or null where there is none."""
        return {**asdict(self), "ratio": None if math.isnan(self.ratio) else self.ratio}


def row_from_json(facts: Mapping[str, Any]) -> Row:
    """The row that `to_json` described."""
    rest = {k: v for k, v in facts.items() if k not in ("ratio", "contenders", "work")}
    work = Work(**facts["work"]) if facts["work"] else None
    return Row(contenders=[Contender(**c) for c in facts["contenders"]], work=work, **rest)


def ratio(theirs: Contender | None, ours: Contender | None) -> float:
    """The median over rounds of their time by ours; NaN where one is missing."""
    if theirs is None or ours is None:
        return math.nan
    return statistics.median(t / o for t, o in zip(theirs.rounds, ours.rounds, strict=True))


def geomean(values: Iterable[float]) -> float:
    """The geometric mean; NaN of nothing, and where a value is NaN."""
    logs = [math.log(v) for v in values]
    return math.exp(statistics.fmean(logs)) if logs else math.nan


def summary(rows: Sequence[Row]) -> str:
    """The line that ends a run."""
    parts = []
    for kind in ("kernels", "models"):
        ratios = [r.ratio for r in rows if r.kind == kind and not math.isnan(r.ratio)]
        parts.append(f"{kind} geomean {number(geomean(ratios))} min {number(min(ratios, default=math.nan))}")
    return f"bench: {', '.join(parts)}, against the best peer of each row"


def number(value: float) -> str:
    """Two digits after the point, or a dash where there is no number."""
    return "-" if math.isnan(value) else f"{value:.2f}"


def without_ratio(rows: Sequence[Row]) -> list[str]:
    """Rows that the means leave out, and why."""
    found = []
    for row in rows:
        if not math.isnan(row.ratio):
            continue
        ours = next((c for c in row.contenders if c.peer == "stratagem"), None)
        reason = "no peer ran it" if row.ours else f"stratagem: {ours.failed if ours else 'not measured'}"
        found.append(f"{row.name}, {row.threads} threads: {reason}")
    return found
