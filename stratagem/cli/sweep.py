"""`stratagem sweep`: a program compiled and costed on variants of a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratagem.cli.hw import param_option, read_params
from stratagem.cli.options import json_option, print_json, read_size, shapes_option, write_text
from stratagem.cli.progress import counting_bar
from stratagem.runtime.errors import HardwareError, UsageError

if TYPE_CHECKING:
    from stratagem.compiler.program import Program
    from stratagem.hwmodels import System

EPILOG = """\b
Examples:
  stratagem sweep model.onnx --target generic-avx512 --vary "levels.l2.size=256KiB..4MiB"
  stratagem sweep model.sgm --vary "levels.core.count=1..16" --vary "levels.dram.bandwidth=40GB/s,80GB/s"
  stratagem sweep model.sgm --target device.yaml --vary "levels.l2.size=128KiB..8MiB" --points 13 \\
      --objective time,levels.l2.size --svg front.svg
  stratagem sweep model.pt2 --target device.yaml --vary "clock=1GHz..4GHz" --html sweep.html

\b
Keys are those of the description (`stratagem hw show`); in a system of several devices, members.NAME.KEY. Objectives:
time, energy, edp (energy times time), or a key that varies; less is better in each. docs/report.md says more.
"""


@click.command("sweep", epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--target",
    default=None,
    metavar="NAME|FILE.yaml",
    help="What varies; default: an artifact's own machine, or `cpu`.",
)
@param_option
@click.option(
    "--vary", "varied", multiple=True, required=True, metavar="KEY=LOW..HIGH|KEY=V,V", help="A key and values."
)
@click.option("--points", type=click.IntRange(2), default=None, help="Values of each range; default: it doubles.")
@click.option("--objective", default=None, metavar="NAME,NAME", help="What counts; default: time,energy.")
@shapes_option
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Write a plot of the first two objectives."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that needs no network.")
@json_option
def command(
    model: Path,
    target: str | None,
    params: tuple[str, ...],
    varied: tuple[str, ...],
    points: int | None,
    objective: str | None,
    shapes: tuple[str, ...],
    svg: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compile and cost MODEL (a model file or an artifact) for every variant of a device; mark the Pareto front."""
    from stratagem.compiler.cost.axes import read_axis
    from stratagem.compiler.cost.sweep import check_objectives, rows, sweep
    from stratagem.hwmodels.describe import table
    from stratagem.report.exploration import Exploration

    machine = _machine(model, target, params)
    axes = [read_axis(text, machine, points or 0) for text in varied]
    if twice := {axis.key for axis in axes if sum(other.key == axis.key for other in axes) > 1}:
        raise UsageError(f"--vary names {min(twice)} twice", hint="give all its values at once, as KEY=V,V")
    objectives, notes = _objectives(objective, machine)
    check_objectives(objectives, axes)
    if svg is not None and len(objectives) < 2:
        raise UsageError("a plot needs two objectives", hint="--objective time,energy, or time and a key that varies")
    program = _program(model, shapes)
    with counting_bar(as_json) as told:
        found = Exploration(
            model.stem, machine.name, axes, objectives, sweep(program, machine, axes, objectives, told), notes
        )
    if all(point.problem for point in found.points):
        first = found.points[0]
        raise HardwareError(f"none of {len(found.points)} points can be; {first.text}: {first.problem}")
    if svg is not None:
        write_text(svg, found.picture(objectives[1]))
    if html is not None:
        write_text(html, found.page())
    if as_json:
        print_json(found.to_json())
        return
    click.echo("\n".join([*table(list(rows(found.points, axes, objectives))), *notes]))


def _machine(model: Path, target: str | None, params: tuple[str, ...]) -> System:
    """The system that is named; else the one of an artifact, else this machine."""
    from stratagem.api.compiling import load_target
    from stratagem.compiler.artifact import machine_of
    from stratagem.hwmodels import load_machine
    from stratagem.runtime.container import Container

    if target is None and _is_artifact(model):
        if params:
            raise UsageError("--param goes with --target: an artifact's machine has its parameters filled in")
        return machine_of(Container(model))
    machine: System = load_machine(target, read_params(params)) if target and params else load_target(target or "cpu")
    return machine


def _objectives(text: str | None, machine: System) -> tuple[list[str], list[str]]:
    """The names, and a note where energy cannot be told; energy that is asked for stays, to be refused with the key."""
    from stratagem.compiler.cost.sweep import DEFAULT

    if text is not None:
        return list(dict.fromkeys(name.strip() for name in text.split(","))), []
    unknown = [m.device.name for m in machine.members.values() if m.device.power.idle is None]
    if not unknown:
        return list(DEFAULT), []
    return ["time"], [f"no energy: the description of {unknown[0]} does not give power.idle"]


def _program(model: Path, shapes: tuple[str, ...]) -> Program:
    from stratagem.api.loading import load_model
    from stratagem.compiler.artifact import tensor_program
    from stratagem.runtime.container import Container

    if _is_artifact(model):
        if shapes:
            raise UsageError("--input-shape goes with a model file; an artifact has its shapes")
        return tensor_program(Container(model))
    return load_model(model, input_shapes=dict(read_size(text, "--input-shape") for text in shapes) or None)


def _is_artifact(model: Path) -> bool:
    return model.suffix == ".sgm"
