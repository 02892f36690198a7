"""`docs/performance.md` from measured results: the part between its two marks.

python -m benchmarks.page benchmarks/results/FILE.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.results import head_lines, rows_in, times_in
from stratagem.api.measure.figures import summary, without_ratio
from stratagem.api.measure.tables import costs_table, failures, markdown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- begin of results -->", "<!-- end of results -->"


def page_text(results: dict[str, Any], page: str) -> str:
    """The page with these results in place of the old ones; raises ValueError when it lacks its marks."""
    head, _, rest = page.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise ValueError(f"{PAGE.name} has no part between {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{results_text(results)}\n{END}{tail}"


def results_text(results: dict[str, Any]) -> str:
    """Header, tables and what is missing."""
    rows, peers = rows_in(results), list(results["peers"])
    parts = ["\n".join(f"- {line}" for line in head_lines(results))]
    for count in results["settings"]["threads"]:
        some = [row for row in rows if row.threads == count]
        parts += [f"### {count} thread{'s' * (count != 1)}: median ms", markdown(times_in(results, some))]
        parts += [f"`{summary(some)}`", "Seconds from file to first result, and memory that serving adds in MB:"]
        parts.append(markdown(costs_table(some, peers)))
    for title, found in (("Without a time", failures(rows)), ("Not in the means", without_ratio(rows))):
        if found:
            parts += [f"### {title}", "\n".join(f"- {line}" for line in found)]
    return "\n\n".join(parts)


def write_page(results: dict[str, Any]) -> None:
    """Puts the results into the page."""
    PAGE.write_text(page_text(results, PAGE.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="what `python -m benchmarks.table --json` wrote")
    write_page(json.loads(parser.parse_args().results.read_text()))


if __name__ == "__main__":
    main()
