"""`stratagem bench`: how long a model takes, beside other ways to run it."""

from __future__ import annotations

import os
import sys
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
    from stratagem.api.measure.figures import Row

EPILOG = """\b
Examples:
  stratagem bench model.onnx                          # beside every peer that is installed and takes the file
  stratagem bench model.pt2 --against torch,inductor,xla,onnxruntime,openvino,iree --threads 2
  stratagem bench model.sgm --size x=32,128 --seconds 5

Every contender runs in a process of its own, on as many processors as it has threads; they take turns, and each one's
results are compared with the float64 reference before and after. A ratio above 1: Stratagem is faster.
"""


@click.command("bench", epilog=EPILOG)
@click.argument("model", metavar="MODEL|ARTIFACT", type=click.Path(path_type=Path))
@target_option
@click.option(
    "--against",
    metavar="NAME,...",
    help="Compare with these: torch, inductor, xla, onnxruntime, openvino, iree; default: what fits; '' for none.",
)
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
    """Time MODEL in turns with other compilers, each in its own process, and check everyone's results."""
    from stratagem.api import peers
    from stratagem.api.measure.from_file import signature_of, subject_of
    from stratagem.api.measure.rounds import Settings, measure
    from stratagem.runtime.container import Container

    chosen = peers.choose(model, against)
    with tempfile.TemporaryDirectory(prefix="stratagem-bench-") as name:
        folder = Path(name)
        artifact, compile_s = _artifact(model, target, folder, as_json)
        arrays = read_npz(inputs) if inputs else random_inputs(signature_of(Container(artifact)), sizes, seed)
        subject = subject_of(model, artifact, arrays, [p.format for p in chosen], folder)
        settings = Settings(threads or len(os.sched_getaffinity(0)), folder, seconds)
        row = measure(subject, "models", chosen, settings, lambda what: _tell(what, as_json))
        if row.ours:
            row.ours.facts["ready_s"] += compile_s
        facts = _facts(model, row, subject.inputs(), compile_s)
    if as_json:
        print_json(facts)
        return
    _print(row, facts)


def _artifact(model: Path, target: str, folder: Path, quiet: bool) -> tuple[Path, float]:
    """The artifact to run, and the seconds its compile took."""
    import stratagem

    if model.suffix == ".sgm":
        return model, 0.0
    started = time.perf_counter()
    with progress_bar(quiet) as progress:
        compiled = stratagem.compile(model, target=target, progress=progress)
    seconds = time.perf_counter() - started
    return compiled.save(folder / "model.sgm"), seconds


def _tell(what: str, quiet: bool) -> None:
    if not quiet and sys.stderr.isatty():
        click.echo(what, err=True)


def _facts(model: Path, row: Row, inputs: Mapping[str, Any], compile_s: float) -> dict[str, Any]:
    from stratagem.api.measure.machine import machine_facts

    ours, best = row.ours, row.best
    return {
        "model": str(model),
        "executed": ours.facts["executed"] if ours else "",
        "compile_s": compile_s,
        "inputs": {n: {"dtype": str(a.dtype), "shape": list(a.shape)} for n, a in inputs.items()},
        "machine": machine_facts(),
        "best": best.peer if best else None,
        **row.to_json(),
    }


def _print(row: Row, facts: Mapping[str, Any]) -> None:
    from stratagem.api.measure.machine import header
    from stratagem.api.measure.tables import aligned, contenders_table, failures

    shapes = "; ".join(f"{name}: {i['dtype']}{i['shape']}" for name, i in facts["inputs"].items())
    versions = list(dict.fromkeys(c.version for c in row.contenders if c.version and c.peer != "stratagem"))
    click.echo("\n".join(header(facts["machine"], versions, [row.threads], row.busy)))
    click.echo(f"{row.name} on {facts['executed']}, compiled in {facts['compile_s']:.2f} s; {shapes}\n")
    click.echo(aligned(contenders_table(row)))
    for line in failures([row]):
        click.echo(f"without a time: {line}")
