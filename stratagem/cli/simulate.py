"""`stratagem simulate`: what a model's steps cost on systems of up to thousands of devices, without building any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratagem.cli.hw import param_option, read_params
from stratagem.cli.options import json_option, print_json, read_size, shapes_option
from stratagem.runtime.errors import HardwareError, UsageError

if TYPE_CHECKING:
    from stratagem.compiler.cost.simulate import Simulation
    from stratagem.compiler.cost.workload import Workload
    from stratagem.hwmodels import System

EPILOG = """\b
Examples:
  stratagem simulate gpt3.yaml --system a100-cluster --devices 64..1024 --batch 1536
  stratagem simulate config.json --system cluster.yaml --param nodes=512 --devices 8..4096 --sequence 4096
  stratagem simulate model.onnx --system h100-node --devices 1..8 --mode inference --batch 64
  stratagem simulate gpt3.yaml --system a100-cluster --devices 1024 --batch 1536 --json

\b
MODEL is a model file (.onnx, .pt2, .mlir), a hub's config.json, or a YAML file of sizes:
  transformer: gpt3
  hidden: 12288
  layers: 96
  heads: 96
  sequence: 2048
  vocabulary: 51200
  dtype: bf16

\b
Plans: t, p, d are tensor, pipeline and data ranks, b samples of a microbatch, v parts of the model for each pipeline
rank, seq sequence parallelism, selective or full recomputation, zeroN shared states. `docs/cost.md` has the formulas.
"""


@click.command("simulate", epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--system", required=True, metavar="NAME|FILE.yaml", help="The system; `stratagem hw list` shows some.")
@param_option
@click.option("--devices", required=True, metavar="N|N,N|N..M", help="How many; N..M doubles from N to M.")
@click.option(
    "--batch", type=click.IntRange(1), help="Samples of one step, all devices together; default: the most devices."
)
@click.option("--mode", type=click.Choice(["training", "inference"]), default="training", show_default=True)
@click.option("--sequence", type=click.IntRange(1), default=None, help="Tokens of a sample, in place of the file's.")
@click.option("--queries", type=click.IntRange(1), default=None, help="Tokens computed at a time; 1 is generating.")
@shapes_option
@click.option("--dtype", default="", help="Element type, in place of the file's: f32, bf16, f16, f8e4m3, ...")
@click.option("--member", default="", help="Which of the system's members computes; default: the fastest.")
@json_option
def command(
    model: Path,
    system: str,
    params: tuple[str, ...],
    devices: str,
    batch: int | None,
    mode: str,
    sequence: int | None,
    queries: int | None,
    shapes: tuple[str, ...],
    dtype: str,
    member: str,
    as_json: bool,
) -> None:
    """Tell for each number of devices the best plan for MODEL: time and its range, memory, energy, money."""
    from stratagem.compiler.cost.architectures import is_architecture, read_architecture
    from stratagem.compiler.cost.report import facts, lines
    from stratagem.compiler.cost.simulate import Simulator
    from stratagem.compiler.probe.store import with_device_calibrations
    from stratagem.hwmodels import load_machine

    counts = read_devices(devices)
    machine = with_device_calibrations(load_machine(system, read_params(params)))
    if is_architecture(model):
        if shapes:
            raise UsageError("--input-shape goes with a model file; sizes have --sequence and --queries")
        workload: Workload = read_architecture(model, sequence or 0, dtype, queries or 0)
    else:
        if sequence or queries:
            raise UsageError("--sequence and --queries go with a file of sizes; a model file has its own shapes")
        workload = read_model(model, shapes, machine, member, dtype)
    if queries and mode == "training":
        raise UsageError("--queries computes a part of a sequence, which is no training step", hint="--mode inference")
    simulator = Simulator(machine, workload, mode, member)
    samples = batch or max(counts)
    results: list[tuple[int, Simulation | str]] = []
    for count in counts:
        try:
            results.append((count, simulator.run(count, samples)))
        except HardwareError as error:
            if len(counts) == 1:
                raise
            results.append((count, error.problem))
    report = (simulator.stated, workload, samples, mode, results)
    if as_json:
        print_json(facts(*report))
    else:
        click.echo("\n".join(lines(*report)))


def read_devices(text: str) -> list[int]:
    """`8` -> [8]; `8,24` -> [8, 24]; `8..64` -> [8, 16, 32, 64]; raises UsageError for anything else."""
    low, dots, high = text.partition("..")
    numbers = [low, high] if dots else text.split(",")
    if not all(number.isdigit() and int(number) > 0 for number in numbers):
        raise UsageError(f"--devices {text} cannot be read", hint="write it as --devices 8, 8,64 or 8..4096")
    if not dots:
        return [int(number) for number in numbers]
    first, last = int(low), int(high)
    if first > last:
        raise UsageError(f"--devices {text} goes down", hint=f"write it as {last}..{first}")
    counts = [first]
    while counts[-1] * 2 <= last:
        counts.append(counts[-1] * 2)
    return counts + ([last] if counts[-1] != last else [])


def read_model(model: Path, shapes: tuple[str, ...], system: System, member: str, dtype: str) -> Workload:
    """A model file whose operations are counted."""
    from stratagem.api.loading import load_model
    from stratagem.compiler.cost.traced import traced_workload

    sizes = dict(read_size(text, "--input-shape") for text in shapes)
    return traced_workload(model.stem, load_model(model, input_shapes=sizes or None), system, member, dtype)
