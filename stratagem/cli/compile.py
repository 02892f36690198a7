"""`stratagem compile`: a model file into an artifact."""

from __future__ import annotations

from pathlib import Path

import click

from stratagem.cli.options import json_option, print_json, read_size, shapes_option, target_option
from stratagem.cli.progress import progress_bar

EPILOG = """\b
Examples:
  stratagem compile model.onnx                          # for this machine, to model.sgm
  stratagem compile model.pt2 --target my-device.yaml -o model.sgm
  stratagem compile model.onnx --input-shape x=1,576    # where the file leaves sizes free
  stratagem compile model.onnx --tune 60                # measure tiles for a minute; the next call goes on from there
  stratagem compile model.mlir --target h100 --until device --print
"""


@click.command("compile", epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@target_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The artifact to write; default: MODEL.sgm here.")
@shapes_option
@click.option("--until", metavar="LEVEL", help="Stop after this level: tensor, device, system, physical.")
@click.option(
    "--shard",
    "strategy",
    type=click.Choice(["auto", "tensor", "batch"]),
    default="auto",
    help="How several ranks share the model: cut parameters, cut the data, or whichever is estimated faster.",
)
@click.option(
    "--tune",
    type=click.IntRange(0, 86400),
    default=0,
    metavar="SECONDS",
    help="Measure other tiles of the slowest kernels here, for about so long; kept for later compiles.",
)
@click.option("--print", "print_level", is_flag=True, help="Print the IR of the last level reached.")
@click.option(
    "--verify",
    type=click.Choice(["off", "fast", "full"]),
    default=None,
    help="How much to check: proofs (fast, the default), or also every pass in every number domain, and runs (full).",
)
@json_option
def command(
    model: Path,
    target: str,
    output: Path | None,
    shapes: tuple[str, ...],
    until: str | None,
    strategy: str,
    tune: int,
    print_level: bool,
    verify: str | None,
    as_json: bool,
) -> None:
    """Compile MODEL (.onnx, .pt2, StableHLO .mlir or .mlirbc) into an artifact."""
    import stratagem
    from stratagem.compiler import knobs

    changes = {"verify": verify} if verify else {}
    with knobs.scope(**changes), progress_bar(as_json) as progress:
        compiled = stratagem.compile(
            model,
            target=target,
            input_shapes=dict(read_size(text, "--input-shape") for text in shapes) or None,
            until=until,
            strategy=strategy,
            tune=tune,
            progress=progress,
        )
    path = compiled.save(output or Path(f"{model.stem}.sgm"))
    last = compiled.levels[-1]
    if as_json:
        signature = compiled.signature.to_json()
        print_json({"artifact": str(path), "level": last, "seconds": compiled.compilation.seconds, **signature})
        return
    if print_level:
        click.echo(compiled.ir(last))
    click.echo(f"{path}: {compiled.compilation.machine.name}, {compiled.compilation.until}", err=True)
    for what, specs in (("takes", compiled.signature.inputs), ("gives", compiled.signature.outputs)):
        click.echo(f"  {what} {'; '.join(map(str, specs))}", err=True)
    taken = "read back from the cache (STRATAGEM_REUSE=off compiles again); " if compiled.compilation.reused else ""
    click.echo(f"  {taken}compiled in {compiled.compilation.seconds:.1f} s", err=True)
