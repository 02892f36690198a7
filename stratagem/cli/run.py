"""`stratagem run`: an artifact's code, or the reference meaning of any of its levels."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from stratagem.cli.options import (
    describe,
    inputs_option,
    json_option,
    print_json,
    random_inputs,
    read_npz,
    seed_option,
    size_option,
)

EPILOG = """\b
Examples:
  stratagem run model.sgm --inputs inputs.npz --output results.npz
  stratagem run model.sgm --size x=8,128             # random input of that shape
  stratagem run model.sgm --level device             # the device level, by the reference interpreter
  mpiexec -n 2 stratagem run sharded.sgm             # one rank per process
"""


@click.command("run", epilog=EPILOG)
@click.argument("artifact", type=click.Path(path_type=Path))
@inputs_option
@size_option
@seed_option
@click.option("--output", type=click.Path(path_type=Path), help="Write the results to this .npz file.")
@click.option("--level", metavar="LEVEL", help="Run this level instead of the code: tensor, device, system, physical.")
@click.option(
    "--threads", type=click.IntRange(0), default=0, help="Threads of the CPU runtime; 0: as many as processors."
)
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Run this often; times the last.")
@json_option
def command(
    artifact: Path,
    inputs: Path | None,
    sizes: tuple[str, ...],
    seed: int,
    output: Path | None,
    level: str | None,
    threads: int,
    repeat: int,
    as_json: bool,
) -> None:
    """Run ARTIFACT on the arrays of an .npz file, or on random ones."""
    from stratagem.api.session import open_session

    session = open_session(artifact, level, threads)
    arrays = read_npz(inputs) if inputs else random_inputs(session.signature, sizes, seed)
    results: list[np.ndarray[Any, Any]] = []
    seconds = 0.0
    for _ in range(repeat):
        started = time.perf_counter()
        results = session.run(arrays)
        seconds = time.perf_counter() - started
    if session.rank != 0:
        return
    named = {spec.name: array for spec, array in zip(session.signature.outputs, results, strict=True)}
    if output:
        _save(output, named)
    if as_json:
        outputs = {n: {"dtype": str(a.dtype), "shape": list(a.shape)} for n, a in named.items()}
        print_json({"executed": session.label, "seconds": seconds, "outputs": outputs})
        return
    for name, array in named.items():
        click.echo(f"{name}: {describe(array)}")
    click.echo(f"{session.label}, {seconds * 1e3:.2f} ms", err=True)


def _save(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    from stratagem.runtime.container import replacing

    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **arrays)
