"""`stratagem opt`: passes over IR text, for replaying a failed pass and for exploring."""

from __future__ import annotations

from pathlib import Path

import click

from stratagem.cli.options import target_option
from stratagem.runtime.errors import UsageError

EPILOG = """\b
Examples:
  stratagem opt reproducer.mlir --passes 'tile-kernels'
  stratagem opt model.mlir --passes 'mlir{pipeline=canonicalize,cse}; drop-unused-results'
"""


@click.command("opt", epilog=EPILOG)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--passes", help="Passes in order, separated by semicolons.")
@target_option
@click.option("--list", "list_passes", is_flag=True, help="List the passes there are and stop.")
def command(file: Path | None, passes: str | None, target: str, list_passes: bool) -> None:
    """Apply passes to the MLIR text in FILE and print the result."""
    from stratagem.api.compiling import load_target
    from stratagem.compiler.driver import StageRunner
    from stratagem.compiler.ir import parse_file
    from stratagem.compiler.passes.base import PassContext
    from stratagem.compiler.passes.registry import PASSES
    from stratagem.compiler.program import Program

    if list_passes:
        click.echo("\n".join(PASSES))
        return
    if file is None or passes is None:
        raise UsageError("opt needs a file and --passes", hint="stratagem opt FILE --passes 'NAME; NAME{option=value}'")
    program = Program(parse_file(file))
    texts = tuple(p.strip() for p in passes.split(";") if p.strip())
    StageRunner(PassContext(load_target(target))).run(program, [("opt", texts)])
    click.echo(str(program.module))
