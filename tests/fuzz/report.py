"""What a run found, in lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.judge import FAILED, REFUSED, UNDEFINED, Outcome

REASON_LENGTH = 72


@dataclass
class Tally:
    """Outcomes added up; `reasons` counts refusals by the beginning of their message."""

    programs: int = 0
    status: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, outcome: Outcome) -> None:
        self.programs += 1
        self.status[outcome.status] += 1
        self.targets[kind] += 1
        self.counts.update(outcome.counts)
        if outcome.status == REFUSED:
            self.reasons[outcome.detail.splitlines()[0][:REASON_LENGTH]] += 1

    @property
    def failures(self) -> int:
        return self.status[FAILED]

    def lines(self) -> list[str]:
        """Shares first, the verdict last."""
        counts = self.counts
        found = [f"targets: {', '.join(f'{name} {n}' for name, n in sorted(self.targets.items()))}"]
        found.append(f"refused with a reason: {_share(self.status[REFUSED], self.programs)}")
        found += [f"  {n:5d}  {reason}" for reason, n in self.reasons.most_common(8)]
        found.append(f"undefined for the sizes drawn: {_share(self.status[UNDEFINED], self.programs)}")
        found.append(
            f"levels compared: {counts['levels']}, of these {counts['levels in float64 only']} in float64 only"
        )
        found.append(
            f"outputs not checked, their bound says nothing: {_share(counts['outputs not checked'], counts['outputs'])}"
        )
        verified = {
            name.removeprefix("findings "): n for name, n in sorted(counts.items()) if name.startswith("findings ")
        }
        found.append(f"findings of verify: {', '.join(f'{name} {n}' for name, n in verified.items()) or 'none'}")
        return [*found, f"fuzz: {self.programs} programs, {self.failures} failures"]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / max(1, whole):.1%})"
