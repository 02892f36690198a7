"""Measured rows as text: times, ratios to the best peer, shares of what the hardware allows, compiling, memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from stratagem.api.measure.figures import Contender, Row, number, ratio

Bound = Callable[[Row], float]
"""The least seconds a row's work takes on this machine; NaN where unknown."""


def times_table(rows: Sequence[Row], peers: Sequence[str], bound: Bound = lambda row: math.nan) -> list[list[str]]:
    """Medians in ms. `best` is the fastest peer with right results, `ratio` its time by Stratagem's; `of minima` is the
    same of the shortest times."""
    head = ["row", "threads", "stratagem", *peers, "best", "ratio", "of minima", "of bound"]
    return [head, *(_times(row, peers, bound(row)) for row in rows)]


def _times(row: Row, peers: Sequence[str], bound: float) -> list[str]:
    best, ours = row.best, row.ours
    share = bound / ours.median if ours else math.nan
    return [
        row.name,
        str(row.threads),
        *(_time(row, name) for name in ("stratagem", *peers)),
        best.peer if best else "-",
        number(row.ratio),
        number(row.ratio_of_minima),
        percent(share),
    ]


def _time(row: Row, peer: str) -> str:
    contender = row.of(peer)
    if contender is not None:
        return milliseconds(contender.median)
    return mark([c for c in row.contenders if c.peer == peer])


def mark(contenders: Sequence[Contender]) -> str:
    """What stands in place of a time: `wrong`, `failed`, or a dash for one that was not asked."""
    if any(c.failed.startswith("WRONG") for c in contenders):
        return "wrong"
    return "failed" if any(c.failed for c in contenders) else "-"


def costs_table(rows: Sequence[Row], peers: Sequence[str]) -> list[list[str]]:
    """Seconds from file to first result, of ours also with the compile cache filled; bytes that serving adds."""
    head = [
        "row",
        "threads",
        "cold s",
        "warm s",
        *(f"{p} s" for p in peers),
        "MB",
        "of need",
        *(f"{p} MB" for p in peers),
    ]
    return [head, *(_costs(row, peers) for row in rows)]


def _costs(row: Row, peers: Sequence[str]) -> list[str]:
    ours, others = row.ours, [row.of(p) for p in peers]
    warm = ours.facts.get("warm_compile_s", math.nan) if ours else math.nan
    return [
        row.name,
        str(row.threads),
        _seconds(ours),
        number(warm),
        *map(_seconds, others),
        _megabytes(ours),
        number(row.memory_ratio),
        *map(_megabytes, others),
    ]


def _seconds(contender: Contender | None) -> str:
    return f"{contender.compile_s:.1f}" if contender else "-"


def _megabytes(contender: Contender | None) -> str:
    return f"{(contender.bytes_serving - contender.bytes_before) / 1e6:.0f}" if contender else "-"


def contenders_table(row: Row) -> list[list[str]]:
    """One line for each contender of a row; `ratio` is its time by Stratagem's, above 1 Stratagem is faster."""
    head = ["", "median ms", "minimum ms", "ratio", "file to result s", "MB", "error"]
    return [head, *(_contender(row, c) for c in row.contenders if c.counts)]


def _contender(row: Row, c: Contender) -> list[str]:
    return [
        f"{c.peer} {c.variant}".removesuffix(" default"),
        milliseconds(c.median),
        milliseconds(c.minimum),
        number(ratio(c, row.ours)),
        f"{c.compile_s:.2f}",
        _megabytes(c),
        f"{c.error:.1e}",
    ]


def failures(rows: Sequence[Row]) -> list[str]:
    """One line for each contender that has no time in a row, with its reason."""
    return [
        f"{row.name}, {row.threads} threads: {c.peer}{f' {c.variant}' if c.variant else ''}: {c.failed}"
        for row in rows
        for c in row.contenders
        if c.failed
    ]


def milliseconds(seconds: float) -> str:
    """Four significant digits or so."""
    value = seconds * 1e3
    return f"{value:.4f}" if value < 1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """A table as text, the first column to the left and the others to the right."""
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """The same for a page."""
    head, *body = cells
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *body))
