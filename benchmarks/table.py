"""The table of `make bench`: Stratagem and its peers, row by row, in one run.

    python -m benchmarks.table [--rows gemm,bert] [--peers onnxruntime,xla] [--threads 2,1] [--seconds 1] [--json FILE]

Every contender is a process of its own, timed in turns and checked against float64 results (`stratagem/api/measure`).
Model files and what compilers keep stay in `--cache` for the next run.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.limits import measure_limits
from benchmarks.names import KINDS, NAMES
from benchmarks.page import PAGE, write_page
from benchmarks.results import FOLDER, file_of, head_lines, rows_in, times_in
from stratagem.api import peers
from stratagem.api.measure.figures import summary, without_ratio
from stratagem.api.measure.machine import machine_facts
from stratagem.api.measure.rounds import Settings, measure
from stratagem.api.measure.subject import open_subject
from stratagem.api.measure.tables import aligned, costs_table, failures
from stratagem.api.peers.base import Peer
from stratagem.runtime.errors import StratagemError

CACHE = Path(".cache/bench")


def main() -> int:
    """Measures and prints; 1 when a result of Stratagem is missing or wrong."""
    options = arguments()
    try:
        chosen = peers.named(options.peers) if options.peers else [p for p in peers.PEERS.values() if not p.missing()]
        for results in run(options, chosen):  # kept row by row: a run is long, and may be cut short
            if options.json:
                options.json.write_text(json.dumps(results, indent=1) + "\n")
    except StratagemError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if options.write_docs:
        file_of(results).write_text(json.dumps(results, indent=1) + "\n")
        write_page(results)
    print(report(results))
    return int(any(row.ours is None for row in rows_in(results)))


def run(options: argparse.Namespace, chosen: Sequence[Peer]) -> Iterator[dict[str, Any]]:
    """Everything measured so far, as JSON, after every row."""
    threads = [int(n) for n in options.threads.split(",")]
    tell("limits of this machine")
    results: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine_facts(),
        "limits": measure_limits(sorted(threads)),
        "peers": {p.name: p.version_text() for p in chosen},
        "settings": {"threads": threads, "seconds": options.seconds, "rounds": options.rounds},
        "rows": [],
    }
    for name in options.rows:
        folder = prepared(name, options.cache)
        for count in threads:
            settings = Settings(count, options.cache, options.seconds, options.rounds)
            row = measure(open_subject(folder), NAMES[name], chosen, settings, tell)
            tell(aligned(times_in(results, [row])))
            results["rows"].append(row.to_json())
            yield results


def prepared(name: str, cache: Path) -> Path:
    """The row's folder; made in a process of its own, so that this one stays small and idle."""
    tell(f"{name}: files")
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.prepare", str(cache.resolve() / "models"), name]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return cache.resolve() / "models" / name


def report(results: dict[str, Any]) -> str:
    """The text of a run."""
    rows, names = rows_in(results), list(results["peers"])
    parts = [
        "\n".join(head_lines(results)),
        "Median ms; ratio: best peer's time by Stratagem's, above 1 Stratagem is faster\n"
        + aligned(times_in(results, rows)),
        "From file to first result in s, and memory that serving adds in MB; of need: by weights and largest live "
        f"activations\n{aligned(costs_table(rows, names))}",
    ]
    if failed := failures(rows):
        parts.append("\n".join(["Without a time:", *failed]))
    if left_out := without_ratio(rows):
        parts.append("\n".join(["Not in the means:", *left_out]))
    return "\n\n".join([*parts, summary(rows)])


STARTED = time.monotonic()


def tell(what: str) -> None:
    """Progress on standard error."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {what}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = ", ".join([*KINDS, *NAMES])
    parser.add_argument("--rows", help=f"names or kinds of rows, separated by commas; there is {known}")
    parser.add_argument("--peers", help=f"names separated by commas; default all installed of {', '.join(peers.PEERS)}")
    parser.add_argument("--threads", default="2,1", help="numbers of threads, separated by commas")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each contender is timed")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for what is kept between runs")
    parser.add_argument("--json", type=Path, help="write everything measured here")
    parser.add_argument("--write-docs", action="store_true", help=f"into {FOLDER.name}/ and docs/{PAGE.name}, too")
    options = parser.parse_args()
    options.rows = rows_of(parser, options.rows)
    return options


def rows_of(parser: argparse.ArgumentParser, names: str | None) -> list[str]:
    """Row names, with kinds of rows spelled out."""
    rows: list[str] = []
    for name in names.split(",") if names else NAMES:
        rows += KINDS.get(name, (name,))
    if unknown := [n for n in rows if n not in NAMES]:
        parser.error(f"there is no row {', '.join(unknown)}; there is {', '.join(NAMES)}")
    return rows


if __name__ == "__main__":
    sys.exit(main())
