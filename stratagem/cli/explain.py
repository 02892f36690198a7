"""`stratagem explain`: what the compiler decided, kernel by kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratagem.cli.options import (
    inputs_option,
    json_option,
    print_json,
    random_inputs,
    read_npz,
    read_size,
    seed_option,
    write_text,
)
from stratagem.runtime.errors import UsageError

if TYPE_CHECKING:
    from stratagem.api.profiling import Measured
    from stratagem.runtime.container import Container

EPILOG = """\b
Examples:
  stratagem explain model.sgm                     # kernels, tiles, code, memory, time of passes
  stratagem explain model.sgm --size x=8,128      # work where the program leaves sizes free
  stratagem explain model.sgm --level device      # the IR of a level
  stratagem explain model.sgm --measure           # run it: time of each kernel, and how near its limit that is
  stratagem explain model.sgm --html report.html  # one page: time, rooflines, energy, what-if, IR, assurance
  stratagem explain model.sgm --measure --trace trace.json   # a timeline for Perfetto or chrome://tracing
  stratagem explain model.sgm --json
"""


@click.command("explain", epilog=EPILOG)
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--level", metavar="LEVEL", help="Print the IR of this level instead.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="NAME=N,N,...",
    help="Shape of an input with free dimensions: the work is told for it (other free dimensions are 1).",
)
@click.option("--measure", is_flag=True, help="Run the kernels here and tell how near each comes to its roofline.")
@click.option("--threads", type=click.IntRange(0), default=0, help="With --measure; 0: as many as processors.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that needs no network.")
@click.option("--trace", type=click.Path(dir_okay=False, path_type=Path), help="Write the timeline as trace events.")
@inputs_option
@seed_option
@json_option
def command(
    artifact: Path,
    level: str | None,
    sizes: tuple[str, ...],
    measure: bool,
    threads: int,
    html: Path | None,
    trace: Path | None,
    inputs: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Show an ARTIFACT's kernels: function, device, tiles, work, code, and what is proved of them."""
    from stratagem.runtime.container import Container

    container = Container(artifact)
    if level:
        from stratagem.compiler.artifact import level_text

        click.echo(level_text(container, level))
        return
    from stratagem.api.explaining import explain

    measured = _measured(container, sizes, threads, inputs, seed) if measure else None
    _write(container, html, trace, measured or {})
    explanation = explain(container, dict(map(read_size, sizes)), measured)
    if as_json:
        print_json(explanation.to_json())
    elif html is None and trace is None:
        click.echo(explanation.to_text())


def _write(container: Container, html: Path | None, trace: Path | None, measured: Mapping[str, Measured]) -> None:
    """The files that were asked for, each with a line on standard error."""
    if html is None and trace is None:
        return
    import json

    from stratagem.report.program import cost_of, program_page
    from stratagem.report.trace import trace as trace_of

    costed = cost_of(container, measured)
    if html is not None:
        write_text(html, program_page(container, costed))
    if trace is not None:
        if costed is None:
            reached = f"{container.path} was compiled until level {container.manifest['until']}"
            raise UsageError(f"a timeline shows kernels, and {reached}", hint="compile it to level device or further")
        write_text(trace, json.dumps(trace_of(costed.cost, costed.times), allow_nan=False))


def _measured(
    container: Container, sizes: tuple[str, ...], threads: int, inputs: Path | None, seed: int
) -> dict[str, Measured]:
    from stratagem.api.profiling import measure_kernels
    from stratagem.runtime.bindings import load_runtime
    from stratagem.runtime.signature import Signature

    load_runtime().set_threads(threads)
    signature = Signature.from_json(container.manifest["signature"])
    return measure_kernels(container, read_npz(inputs) if inputs else random_inputs(signature, sizes, seed))
