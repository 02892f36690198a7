"""What checking costs: compile times with `verify` off, fast and (--full) full, in turns, in one process.

    python -m benchmarks.verification [--models bert,resnet50] [--rounds 3] [--full]

Seconds of processor time from the imported program to code, without a cache; the import is the same for all and shown
apart. `fast` is the default of every compile; its share is told of the compile without it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.rows import CASES
from stratagem.api.compiling import load_target
from stratagem.api.loading import load_model
from stratagem.compiler import knobs
from stratagem.compiler.compile import compile_program
from stratagem.compiler.ir import parse_module, to_text
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="bert,resnet50", help=f"of {', '.join(c.name for c in CASES)}")
    parser.add_argument("--rounds", type=int, default=3, help="compiles of each kind; medians are shown")
    parser.add_argument("--full", action="store_true", help="measure verify=full, too (minutes)")
    options = parser.parse_args(arguments)
    kinds = ["off", "fast", *(["full"] if options.full else [])]
    print(f"{'model':12s}{'import':>10s}" + "".join(f"{kind:>10s}" for kind in kinds) + "   fast costs")
    cases = {case.name: case for case in CASES}
    if unknown := [name for name in options.models.split(",") if name not in cases]:
        parser.error(f"there is no row {', '.join(unknown)}; there is {', '.join(cases)}")
    for name in options.models.split(","):
        built = cases[name].build()
        program, imported = timed(lambda built=built: load_model(*built))
        seconds = in_turns(program, kinds, options.rounds)
        shown = "".join(f"{seconds[kind]:8.2f} s" for kind in kinds)
        share = seconds["fast"] / seconds["off"] - 1
        print(f"{name:12s}{imported:8.2f} s{shown}{share:12.1%}", flush=True)


def in_turns(program: Program, kinds: Sequence[str], rounds: int) -> dict[str, float]:
    """Median seconds of a compile with each kind of checking."""
    text, store = to_text(program.module), dict(program.parameters)
    machine = load_target("cpu")
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds + 1):
        for kind in kinds:
            fresh = Program(parse_module(text), ParameterStore(store))
            with knobs.scope(verify=kind, cache="off"):
                times[kind].append(timed(lambda fresh=fresh: compile_program(fresh, machine))[1])
    return {kind: median(found[1:]) for kind, found in times.items()}  # the first turn loads libraries


def timed(function: Any) -> tuple[Any, float]:
    started = time.process_time()
    result = function()
    return result, time.process_time() - started


if __name__ == "__main__":
    main()
