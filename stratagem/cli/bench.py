"""`stratagem bench`: how long a model takes, beside other ways to run it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stratagem.cli.options import (
    inputs_option,
    json_option,
    print_json,
    random_inputs,
    read_npz,
    seed_option,
    size_option,
    target_option,
)
from stratagem.cli.progress import progress_bar

if TYPE_CHECKING:
    from stratagem.api.session import Session
    from stratagem.api.timing import Timing

EPILOG = """\b
Examples:
  stratagem bench model.onnx                              # beside ONNX Runtime where it is installed
  stratagem bench model.pt2 --against torch --threads 2   # beside PyTorch's eager mode
  stratagem bench model.sgm --size x=32,128 --seconds 5
"""


@click.command("bench", epilog=EPILOG)
@click.argument("model", metavar="MODEL|ARTIFACT", type=click.Path(path_type=Path))
@target_option
@click.option("--against", metavar="NAME,...", help="Compare with these: ort, torch; default: what fits; '' for none.")
@click.option("--threads", type=click.IntRange(0), default=0, help="Threads of each; 0: as many as processors.")
@click.option("--seconds", type=click.FloatRange(0.01), default=2.0, show_default=True, help="How long to time each.")
@inputs_option
@size_option
@seed_option
@json_option
def command(
    model: Path,
    target: str,
    against: str | None,
    threads: int,
    seconds: float,
    inputs: Path | None,
    sizes: tuple[str, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Time MODEL in interleaved rounds: first call, median and minimum, beside other compilers."""
    from stratagem.api import peers
    from stratagem.api.timing import Contender, largest_difference, race

    names = peers.choose(model, against)
    threads = threads or len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="stratagem-bench-") as folder:
        started = time.perf_counter()
        session = _open(model, target, Path(folder), threads, as_json)
        prepared = time.perf_counter() - started
    arrays = read_npz(inputs) if inputs else random_inputs(session.signature, sizes, seed)
    bound = session.signature.bind(arrays)
    ordered = {spec.name: array for spec, array in zip(session.signature.inputs, bound, strict=True)}
    contenders = [Contender("stratagem", lambda: session.runner.run(bound), prepared)]
    contenders += [peers.make(name, model, ordered, threads) for name in names]
    timings = race(contenders, seconds)
    differences = {t.name: largest_difference(timings[0].results, t.results) for t in timings[1:]}
    if as_json:
        print_json(_facts(model, session.label, threads, ordered, timings, differences))
        return
    _print(model, session.label, threads, ordered, timings, differences)


def _open(model: Path, target: str, folder: Path, threads: int, quiet: bool) -> Session:
    import stratagem
    from stratagem.api.session import open_session

    if model.suffix == ".sgm":
        return open_session(model, threads=threads)
    with progress_bar(quiet) as progress:
        compiled = stratagem.compile(model, target=target, progress=progress)
    return open_session(compiled.save(folder / "model.sgm"), threads=threads)


def _facts(
    model: Path,
    label: str,
    threads: int,
    inputs: Mapping[str, Any],
    timings: list[Timing],
    differences: Mapping[str, float],
) -> dict[str, Any]:
    return {
        "model": str(model),
        "executed": label,
        "threads": threads,
        "inputs": {n: {"dtype": str(a.dtype), "shape": list(a.shape)} for n, a in inputs.items()},
        "timings": [t.to_json() for t in timings],
        "relative": {t.name: t.median / timings[0].median for t in timings[1:]},
        "differences": dict(differences),
    }


def _print(
    model: Path,
    label: str,
    threads: int,
    inputs: Mapping[str, Any],
    timings: list[Timing],
    differences: Mapping[str, float],
) -> None:
    from stratagem.api.timing import table

    shapes = "; ".join(f"{name}: {a.dtype}{list(a.shape)}" for name, a in inputs.items())
    click.echo(f"{model.name} on {label}, {threads} thread{'s' * (threads != 1)}, {shapes}")
    click.echo(table(timings))
    for name, difference in differences.items():
        click.echo(f"largest difference from {name}: {difference:.3g}")
