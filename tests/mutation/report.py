"""The result of a run as tables, the survivors, and the last line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from stratagem.compiler.ir import LEVELS
from tests.mutation.worker import Mutant


def score(mutants: Iterable[Mutant]) -> float:
    """Killed among real mutants, in percent; 0 without real ones."""
    real = [m for m in mutants if m.real]
    return 100.0 * sum(bool(m.killer) for m in real) / len(real) if real else 0.0


def last_line(mutants: list[Mutant]) -> str:
    real = sum(bool(m.real) for m in mutants)
    killed = sum(bool(m.real and m.killer) for m in mutants)
    percent = math.floor(10 * score(mutants)) / 10  # never more than it is
    return f"mutation: {len(mutants)} mutants, {real} real, {killed} killed, score {percent} %"


def table(mutants: list[Mutant]) -> str:
    """One row per kind and level: mutants, equivalent ones, survivors, and who killed the others, most first."""
    rows = [("kind", "level", "mutants", "equivalent", "survive", "killed by")]
    for kind in dict.fromkeys(m.kind for m in mutants):
        for level in LEVELS:
            mine = [m for m in mutants if (m.kind, m.level) == (kind, level)]
            if mine:
                rows.append((kind, level, *_numbers(mine), _killers(mine)))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[5]]) for row in rows)


def _numbers(mine: list[Mutant]) -> tuple[str, str, str]:
    equivalent = sum(not m.real for m in mine)
    return str(len(mine)), str(equivalent), str(sum(m.survives for m in mine))


def _killers(mine: list[Mutant]) -> str:
    return _counted([m for m in mine if m.real and m.killer])


def _counted(noticed: list[Mutant]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(m.killer for m in noticed).most_common())


def totals(mutants: list[Mutant], refused: int) -> str:
    """Levels, checks and what does not count."""
    lines = []
    for level in LEVELS:
        mine = [m for m in mutants if m.level == level]
        if mine:
            lines.append(f"level {level}: {last_line(mine).removeprefix('mutation: ')}")
    early = sum(bool(m.real) and m.killer.startswith(("proof: ", "pass: ")) for m in mutants)
    lines.append(f"noticed by the checks of a level, which every compile runs: {early}")
    strict = [m for m in mutants if not m.real and m.killer]
    by = f" ({_counted(strict)})" if strict else ""
    lines.append(f"equivalent for the judge, but noticed by a check: {len(strict)}{by}; they do not count")
    lines.append(f"no valid IR for MLIR's verifier: {refused} further edits; they do not count")
    return "\n".join(lines)


def survivors(mutants: list[Mutant]) -> str:
    """Each survivor with its diff."""
    found = [m for m in mutants if m.survives]
    return "\n\n".join(f"survives: {_title(m)}\n  real because: {m.real}\n{m.diff}" for m in found)


def write_survivors(mutants: list[Mutant], folder: Path) -> int:
    """One file per survivor; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [m for m in mutants if m.survives]
    for number, mutant in enumerate(found):
        path = folder / f"{number:03d}-{mutant.level}-{mutant.one}.diff"
        path.write_text(f"{_title(mutant)}\nreal because: {mutant.real}\n{mutant.diff}\n")
    return len(found)


def _title(mutant: Mutant) -> str:
    return f"{mutant.subject}, level {mutant.level}, after {mutant.one}: {mutant.what} ({mutant.kind})"
