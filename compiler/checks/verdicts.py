"""What a check says: one verdict per obligation, gathered into the assurance report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Verdict(Enum):
    """How sure we are. The order is from best to worst; REFUTED ends a compile."""

    PROVED = "proved for all sizes"
    PROVED_HERE = "proved for these sizes"
    TESTED = "tested"
    NOT_CHECKED = "not checked"
    REFUTED = "refuted"


WITHIN_BOUND = "results within the derived bound"
"""The obligation of a kernel's code: what it computes is as near the exact result as rounding explains."""
_WAY_DOWN = ("tensor", "device", "system", "physical", "code")


@dataclass(frozen=True)
class Finding:
    """One obligation of one subject.

    Attributes:
        level: the level it belongs to. subject: a kernel or `main`. obligation: what had to hold, e.g. `in bounds`.
        detail: why it is not better, or the counterexample. location: in the model's source, where known.
    """

    level: str
    subject: str
    obligation: str
    verdict: Verdict
    detail: str = ""
    location: str = ""

    @property
    def is_left(self) -> bool:
        """Whether only a run of the code can tell, and there was none."""
        return self.level == "code" and self.verdict is Verdict.NOT_CHECKED

    def to_json(self) -> dict[str, str]:
        entries = {
            "level": self.level,
            "subject": self.subject,
            "obligation": self.obligation,
            "verdict": self.verdict.value,
            "detail": self.detail,
            "location": self.location,
        }
        return {k: v for k, v in entries.items() if v}

    @staticmethod
    def from_json(value: dict[str, str]) -> Finding:
        rest = {k: value.get(k, "") for k in ("level", "subject", "obligation", "detail", "location")}
        return Finding(verdict=Verdict(value["verdict"]), **rest)


@dataclass
class AssuranceReport:
    """All findings of a program."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, *findings: Finding) -> None:
        """Adds findings; a run of the code takes the place of what was left to it."""
        ran = {(f.subject, f.obligation) for f in findings if f.level == "code"}
        self.findings = [f for f in self.findings if not (f.is_left and (f.subject, f.obligation) in ran)]
        self.findings.extend(findings)

    @property
    def refuted(self) -> list[Finding]:
        return [f for f in self.findings if f.verdict is Verdict.REFUTED]

    def counts(self) -> dict[str, int]:
        """Verdict -> how many obligations, best first."""
        found = Counter(f.verdict for f in self.findings)
        return {v.value: found[v] for v in Verdict if found[v]}

    def verdict_line(self) -> str:
        """The report in a sentence: kernels, code, and what nobody looked at."""
        if not self.findings:
            return "nothing was checked"
        if self.refuted:
            first = self.refuted[0]
            what = f"'{first.obligation}' of {first.subject} ({first.level} level)"
            return f"REFUTED: {len(self.refuted)} of {len(self.findings)} obligations do not hold, first {what}"
        lost, total = self._count(Verdict.NOT_CHECKED), len(self.findings)
        rest = f"{lost} of {total} obligations not checked" if lost else f"all {total} obligations checked"
        return "; ".join([self._kernels(), self._code(), rest])

    def summary(self, most: int = 8) -> list[str]:
        """Lines for a page about the program: verdicts by level, then what was not checked, and why."""
        lines = []
        for level in self._levels():
            count = Counter(f.verdict for f in self.findings if f.level == level)
            lines.append(f"{level:10s} " + ", ".join(f"{count[v]} {v.value}" for v in Verdict if count[v]))
        lost = [f for f in self.findings if f.verdict is Verdict.NOT_CHECKED]
        lines += [f"not checked: {f.subject}: {f.obligation}: {f.detail}" for f in lost[:most]]
        return lines + ([f"not checked: {len(lost) - most} more (`stratagem verify`)"] if len(lost) > most else [])

    def _levels(self) -> list[str]:
        """In the order of the way down, whichever was checked first."""
        found = {f.level for f in self.findings}
        return [level for level in _WAY_DOWN if level in found] + sorted(found.difference(_WAY_DOWN))

    def _count(self, verdict: Verdict, level: str | None = None) -> int:
        return sum(f.verdict is verdict and level in (None, f.level) for f in self.findings)

    def _kernels(self) -> str:
        lost, here = (self._count(v, "device") for v in (Verdict.NOT_CHECKED, Verdict.PROVED_HERE))
        if lost or not self._count(Verdict.PROVED, "device"):
            return "kernels not proved safe" + (f" in {lost} obligations" if lost else "")
        return "kernels proved safe for all sizes" + (f" but in {here} obligations, for these sizes" if here else "")

    def _code(self) -> str:
        if not self._count(Verdict.TESTED, "code"):
            return "code not run"
        return "code tested against float64"

    def to_text(self) -> str:
        """A table by level and subject, then the sentence."""
        lines = []
        for level in self._levels():
            lines.append(f"{level}")
            for subject in dict.fromkeys(f.subject for f in self.findings if f.level == level):
                mine = [f for f in self.findings if (f.level, f.subject) == (level, subject)]
                lines += [f"  {subject}", *(f"    {_row(f)}" for f in mine)]
        return "\n".join([*lines, self.verdict_line()])

    def to_json(self) -> list[dict[str, Any]]:
        return [f.to_json() for f in self.findings]

    @staticmethod
    def from_json(entries: list[dict[str, str]]) -> AssuranceReport:
        return AssuranceReport([Finding.from_json(e) for e in entries])


def _row(finding: Finding) -> str:
    text = f"{finding.obligation:44s} {finding.verdict.value}"
    if finding.detail:
        text += f": {finding.detail}"
    return text + (f" ({finding.location})" if finding.location and finding.verdict is Verdict.REFUTED else "")
