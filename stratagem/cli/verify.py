"""`stratagem verify`: the assurance report of an artifact or a model."""

from __future__ import annotations

from pathlib import Path

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
from stratagem.cli.progress import COMPILING, VERIFYING, progress_bar

EPILOG = """\b
Examples:
  stratagem verify model.sgm                  # re-derives every proof from the artifact's IR, then runs it
  stratagem verify model.onnx --target h100   # compiles first
  stratagem verify model.onnx --full          # every pass in every number domain, too
"""


@click.command("verify", epilog=EPILOG)
@click.argument("subject", metavar="ARTIFACT|MODEL", type=click.Path(path_type=Path))
@target_option
@inputs_option
@size_option
@seed_option
@click.option(
    "--full", is_flag=True, help="Also compare the program after every pass (of an ARTIFACT: at every level)."
)
@click.option("--no-run", is_flag=True, help="Proofs only: do not run the code against the float64 reference.")
@json_option
def command(
    subject: Path,
    target: str,
    inputs: Path | None,
    sizes: tuple[str, ...],
    seed: int,
    full: bool,
    no_run: bool,
    as_json: bool,
) -> None:
    """Print what is proved, tested and not checked of an ARTIFACT, or of a MODEL compiled for a target."""
    from stratagem.api.verifying import open_verification

    is_artifact = subject.suffix == ".sgm"
    stages = VERIFYING if is_artifact else COMPILING + VERIFYING
    with progress_bar(as_json, stages) as progress:
        verification = open_verification(subject, target, progress, until="physical" if no_run else None, full=full)
        report = verification.report()
        if full and is_artifact:
            report.add(*verification.level_findings())
        if not no_run:
            signature = verification.signature
            arrays = read_npz(inputs) if inputs else random_inputs(signature, sizes, seed)
            report.add(*verification.run_findings(arrays))
    if as_json:
        print_json({"verdict": report.verdict_line(), "counts": report.counts(), "findings": report.to_json()})
    else:
        click.echo(report.to_text())
    if report.refuted:
        raise click.exceptions.Exit(6)
