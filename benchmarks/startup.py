"""How long small processes take from their start, whole: python, the package, the command line, a saved artifact.

python -m benchmarks.startup [ARTIFACT.sgm ...]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def commands(artifacts: Sequence[Path]) -> dict[str, list[str]]:
    """What is started, by what it is called in the table."""
    found = {
        "python alone": ["-c", "pass"],
        "import stratagem": ["-c", "import stratagem"],
        "stratagem --help": ["-m", "stratagem.cli.main", "--help"],
    }
    return found | {f"stratagem run {a.name}": ["-m", "stratagem.cli.main", "run", str(a)] for a in artifacts}


def median_seconds(arguments: Sequence[str], times: int = 5) -> float:
    """The median of a few runs of python with these arguments; raises CalledProcessError when one fails."""

    def one() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return time.perf_counter() - started

    return statistics.median(one() for _ in range(times))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", nargs="*", type=Path, help="artifacts to run, too, on random inputs")
    for what, command in commands(parser.parse_args(arguments).artifacts).items():
        print(f"{what:42s}{median_seconds(command) * 1e3:8.0f} ms", flush=True)


if __name__ == "__main__":
    main()
