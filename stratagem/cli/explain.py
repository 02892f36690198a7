"""`stratagem explain`: what the compiler decided, kernel by kernel."""

from __future__ import annotations

from pathlib import Path

import click

from stratagem.cli.options import json_option, print_json, read_size

EPILOG = """\b
Examples:
  stratagem explain model.sgm                     # kernels, tiles, code, memory, time of passes
  stratagem explain model.sgm --size x=8,128      # work where the program leaves sizes free
  stratagem explain model.sgm --level device      # the IR of a level
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
@json_option
def command(artifact: Path, level: str | None, sizes: tuple[str, ...], as_json: bool) -> None:
    """Show an ARTIFACT's kernels: function, device, tiles, work, code, and what is proved of them."""
    from stratagem.runtime.container import Container

    container = Container(artifact)
    if level:
        from stratagem.compiler.artifact import level_text

        click.echo(level_text(container, level))
        return
    from stratagem.api.explaining import explain

    explanation = explain(container, dict(map(read_size, sizes)))
    if as_json:
        print_json(explanation.to_json())
    else:
        click.echo(explanation.to_text())
