"""`stratagem opt`: passes over IR text, for replaying a failed pass and for exploring."""

from __future__ import annotations

from pathlib import Path

import click

from stratagem.cli.options import target_option

EPILOG = """\b
Examples:
  stratagem opt reproducer.mlir --passes 'tile-kernels'
  stratagem opt model.mlir --passes 'mlir{pipeline=canonicalize,cse}; drop-unused-results'
"""


@click.command("opt", epilog=EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--passes", required=True, help="Passes in order, separated by semicolons.")
@target_option
@click.option("--list", "list_passes", is_flag=True, help="List the passes there are and stop.")
def command(file: Path, passes: str, target: str, list_passes: bool) -> None:
    """Apply passes to the MLIR text in FILE and print the result."""
    from stratagem.api.compiling import load_target
    from stratagem.compiler.driver import StageRunner
    from stratagem.compiler.ir import parse_module
    from stratagem.compiler.passes.base import PassContext
    from stratagem.compiler.passes.registry import PASSES
    from stratagem.compiler.program import Program

    if list_passes:
        click.echo("\n".join(PASSES))
        return
    program = Program(parse_module(file.read_text()))
    texts = tuple(p.strip() for p in passes.split(";") if p.strip())
    StageRunner(PassContext(load_target(target))).run(program, [("opt", texts)])
    click.echo(str(program.module))
