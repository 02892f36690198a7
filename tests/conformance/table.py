"""The results of a run as a table: suites in rows, verdicts in columns, and why cases were refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tests.conformance.outcome import Outcome, Verdict
from tests.conformance.suites import suite

COLUMNS = (Verdict.PASSED, Verdict.REFUSED, Verdict.WRONG, Verdict.CRASHED)


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown; the share counts cases that have an answer. A suite that ran in part says of how many cases."""
    lines = [
        "| suite | cases | passed | refused | wrong | crashed | passed of all | no fixed answer |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(o.suite for o in outcomes):
        count = Counter(o.verdict for o in outcomes if o.suite == name)
        total, whole = sum(count[v] for v in COLUMNS), len(suite(name).names())
        ran = f"{total} (a sample of {whole})" if count.total() < whole else total
        cells = [suite(name).TITLE, ran, *(count[v] for v in COLUMNS), f"{share(outcomes, name):.1%}"]
        lines.append("| " + " | ".join(map(str, [*cells, count[Verdict.EXCLUDED]])) + " |")
    return "\n".join(lines)


def share(outcomes: Sequence[Outcome], name: str) -> float:
    """Passed of all cases with an answer."""
    count = Counter(o.verdict for o in outcomes if o.suite == name)
    total = sum(count[v] for v in COLUMNS)
    return count[Verdict.PASSED] / total if total else 0.0


def reasons(outcomes: Sequence[Outcome], most: int = 12) -> str:
    """For each suite, what was refused and how often, most frequent first."""
    parts = []
    for name in dict.fromkeys(o.suite for o in outcomes):
        refused = [o for o in outcomes if o.suite == name and o.verdict is Verdict.REFUSED]
        count = Counter(kind_of(o.reason.removeprefix(f"{o.case}: ")) for o in refused)
        if count:
            rows = [f"| {number} | {reason} |" for reason, number in count.most_common(most)]
            rest = sum(count.values()) - sum(n for _, n in count.most_common(most))
            rows += [f"| {rest} | other reasons |"] if rest else []
            parts.append("\n".join([f"### {suite(name).TITLE}\n", "| cases | refused because |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def kind_of(reason: str) -> str:
    """A reason without the names, types and numbers of its case, so that equal reasons count together."""
    first = reason.split("\n")[0]
    first = re.sub(r"tensor<[^>]*>+", "tensor", first)
    first = re.sub(r"loc\(.*?\)|\(at .*?\)|%[\w#:]+|^\S+:\d+(:\d+)?: ", "", first)
    first = re.sub(r"'[^']*'", "'...'", first)
    return re.sub(r"\d+", "N", first)[:140].replace("|", "/").strip()


def last_line(outcomes: Sequence[Outcome]) -> str:
    count = Counter(o.verdict for o in outcomes)
    total = sum(count[v] for v in COLUMNS)
    figures = ", ".join(f"{count[v]} {v.value}" for v in COLUMNS)
    return f"conformance: {total} cases, {figures}"
