"""`stratagem hw`: list, show, check and write hardware descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
out_option = click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
param_option = click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="Value for a parameter of the file."
)

CHECK_FAILED = 4


EXAMPLES = {
    "list": (
        "stratagem hw list",
        "stratagem hw list --json",
    ),
    "show": (
        "stratagem hw show cpu                              # this machine",
        "stratagem hw show h100 --json",
        "stratagem hw show my-device.yaml --param cores=8",
        "stratagem hw show my-device.yaml --calibration measured.yaml",
    ),
    "check": (
        "stratagem hw check my-device.yaml",
        "stratagem hw check devices/*.yaml --json",
    ),
    "diff": (
        "stratagem hw diff h100 h200-sxm                    # keys that differ, and derived figures",
        "stratagem hw diff mine.yaml generic-avx512 --json",
    ),
    "new": (
        "stratagem hw new my-device --like generic-avx512   # my-device.yaml, which extends it",
        "stratagem hw new my-device --like h100 --copy      # every number written out",
    ),
    "export": ("stratagem hw export h100-node -o h100-node.infragraph.yaml",),
    "import": ("stratagem hw import dgx.yaml --name dgx --device xpu=h100 --device cpu=epyc-zen4 -o dgx-system.yaml",),
    "probe": (
        "stratagem hw probe                                 # to standard output",
        "stratagem hw probe -o this-machine.yaml",
        "stratagem hw probe --measure                       # and what units, memories, kernels reach (20 s)",
        "stratagem hw probe --target h100-sxm               # the GPU of this machine, which is one of these",
        "stratagem hw probe --target h100-sxm --simulate    # without one, on a clock of the description",
        "mpiexec -n 2 stratagem hw probe --links            # what messages between ranks take, as a system",
    ),
    "schema": ("stratagem hw schema > hw.schema.json",),
}
"""Command -> lines that its help shows; the group's help shows the first of each."""


def examples(*commands: str) -> str:
    """The examples of one command, or the first one of several, as click's epilog."""
    lines = EXAMPLES[commands[0]] if len(commands) == 1 else [EXAMPLES[name][0] for name in commands]
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group("hw", epilog=examples(*EXAMPLES), context_settings={"help_option_names": ["-h", "--help"]})
def hw_group() -> None:
    """List, show, check and write hardware descriptions."""


command = hw_group


@hw_group.command("list", epilog=examples("list"))
@json_option
def list_command(as_json: bool) -> None:
    """List the devices and systems of the library."""
    from stratagem.hwmodels import list_models
    from stratagem.hwmodels.describe import table

    models = list_models()
    if as_json:
        echo_json([vars(model) for model in models])
        return
    rows: list[tuple[str, ...]] = [("name", "what", "class", "numbers", "note")]
    rows.append(("cpu", "device", "cpu", "measured", "this machine, as its operating system describes it"))
    rows += [(model.name, model.type, model.kind, model.source, model.note) for model in models]
    click.echo("\n".join(table(rows)))


@hw_group.command("show", epilog=examples("show"))
@click.argument("target", metavar="NAME|FILE.yaml")
@param_option
@click.option(
    "--calibration",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Measurements that take the place of what the device's description says.",
)
@json_option
def show_command(target: str, params: tuple[str, ...], calibration: Path | None, as_json: bool) -> None:
    """Show a description as a picture and tables, with what follows from its numbers: peaks, operations per byte."""
    shown, lines = description(target, read_params(params), calibration)
    if as_json:
        echo_json(shown)
    else:
        click.echo("\n".join(lines))


def description(
    target: str, params: dict[str, str | int | float], calibration: Path | None
) -> tuple[dict[str, Any], Iterator[str]]:
    """A description as plain data and as lines of text."""
    from stratagem.hwmodels import load_calibration, load_device, load_machine
    from stratagem.hwmodels.calibrate import calibrated
    from stratagem.hwmodels.describe import device_facts, device_lines
    from stratagem.hwmodels.describe_calibration import calibration_facts, calibration_lines
    from stratagem.hwmodels.describe_system import system_facts, system_lines
    from stratagem.hwmodels.load import kind_of
    from stratagem.hwmodels.params import parameter_lines

    kind = kind_of(target)
    if calibration is not None and kind != "device":
        raise click.BadParameter(f"{target} is a {kind}, and only a device is calibrated", param_hint="--calibration")
    if kind == "calibration":
        measurements = load_calibration(target)
        return calibration_facts(measurements), calibration_lines(measurements)
    if kind == "system":
        system = load_machine(target, params)
        return system_facts(system), chain(system_lines(system), parameter_lines(target))
    device = load_device(target, params)
    if calibration is not None:
        device = calibrated(device, load_calibration(calibration))
    return device_facts(device), chain(device_lines(device), parameter_lines(target))


@hw_group.command("check", epilog=examples("check"))
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_context
def check_command(context: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Check FILES and print every problem; the exit code is 4 when there is one."""
    from stratagem.hwmodels import check_file

    problems = [problem for file in files for problem in check_file(file)]
    if as_json:
        echo_json(
            [
                {
                    "file": problem.place.file,
                    "line": problem.place.line,
                    "column": problem.place.column,
                    "path": problem.path,
                    "message": problem.message,
                    "hint": problem.hint,
                }
                for problem in problems
            ]
        )
    else:
        for problem in problems:
            click.echo(str(problem))
        if not problems:
            click.echo(f"{len(files)} file{'s' * (len(files) != 1)} checked: no problems")
    context.exit(CHECK_FAILED if problems else 0)


@hw_group.command("diff", epilog=examples("diff"))
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@json_option
def diff_command(left: str, right: str, as_json: bool) -> None:
    """Show the keys in which A and B differ, with their values, and what follows from them."""
    from stratagem.hwmodels import load_device, load_machine
    from stratagem.hwmodels.diff import difference_lines, differences
    from stratagem.hwmodels.load import kind_of

    one, other = (load_machine(name) if kind_of(name) == "system" else load_device(name) for name in (left, right))
    if as_json:
        echo_json([{**vars(found), "ratio": found.ratio} for found in differences(one, other)])
    else:
        click.echo("\n".join(difference_lines(one, other)))


@hw_group.command("new", epilog=examples("new"))
@click.argument("name")
@click.option("--like", required=True, metavar="NAME|FILE.yaml", help="The description to start from.")
@click.option("--copy", is_flag=True, help="Write everything out instead of extending.")
@out_option
def new_command(name: str, like: str, copy: bool, output: Path | None) -> None:
    """Write NAME.yaml, a description that starts as another one."""
    from stratagem.hwmodels.new import new_text

    text = new_text(name, like, copy=copy)
    path = output or Path(f"{name}.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{path} exists already; choose another name or -o FILE") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
    click.echo(f"wrote {path}")


@hw_group.command("export", epilog=examples("export"))
@click.argument("target", metavar="NAME|FILE.yaml")
@param_option
@out_option
def export_command(target: str, params: tuple[str, ...], output: Path | None) -> None:
    """Write a system as an InfraGraph infrastructure (YAML, schema 3.1)."""
    from stratagem.hwmodels import load_machine
    from stratagem.hwmodels.dump import yaml_text
    from stratagem.hwmodels.exchange.infragraph_export import infragraph

    write_text(yaml_text([infragraph(load_machine(target, read_params(params)))]), output)


@hw_group.command("import", epilog=examples("import"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The name of the system.")
@click.option(
    "--device", "devices", multiple=True, metavar="COMPONENT=NAME", help="The library's device for a component."
)
@out_option
def import_command(file: Path, name: str, devices: tuple[str, ...], output: Path | None) -> None:
    """Read an InfraGraph infrastructure (YAML or JSON, schema 3.1) as a system."""
    from stratagem.hwmodels.exchange.infragraph_import import system_text

    chosen = {component: str(device) for component, device in read_params(devices, "--device").items()}
    write_text(system_text(file, name, chosen), output)


@hw_group.command("probe", epilog=examples("probe"))
@out_option
@click.option(
    "--measure",
    is_flag=True,
    help="Measure units, memories and kernels, and keep the calibration: target 'cpu' takes its numbers from then on.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 60),
    default=0.2,
    show_default=True,
    help="With --measure and --target: for each of some thirty figures.",
)
@click.option(
    "--target",
    metavar="NAME|FILE.yaml",
    help="Measure the GPU of this machine, which this description is of; targets and systems that name it follow.",
)
@click.option("--simulate", is_flag=True, help="With --target: no device, but a clock that follows the description.")
@click.option(
    "--links",
    is_flag=True,
    help="Under mpiexec: measure the links between the ranks, and write the system that they make up.",
)
def probe_command(
    output: Path | None, measure: bool, seconds: float, links: bool, target: str | None, simulate: bool
) -> None:
    """Describe this machine: cores, caches, vector width and clock, as its operating system tells them."""
    from stratagem.cli.probing import measure_device, measure_here, measure_ranks
    from stratagem.hwmodels.probe import probe_text

    if measure + links + bool(target) > 1:
        raise click.UsageError("--measure is for this processor, --target for a GPU, --links for ranks: choose one")
    if simulate and not target:
        raise click.UsageError("--simulate follows the description of a GPU: give --target")
    if target:
        measure_device(target, simulate, seconds, output)
        return
    if links:
        measure_ranks(output)
        return
    if measure:
        measure_here(output, seconds)
        return
    write_text(probe_text(), output)


def write_text(text: str, output: Path | None) -> None:
    """Text to a file, or to standard output."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from None
    click.echo(f"wrote {output}")


@hw_group.command("schema", epilog=examples("schema"))
def schema_command() -> None:
    """Print the JSON Schema of hardware files, for editors."""
    from stratagem.hwmodels.jsonschema import json_schema

    echo_json(json_schema())


def read_params(texts: tuple[str, ...], option: str = "--param") -> dict[str, str | int | float]:
    """`name=value` options; numbers become numbers."""
    values: dict[str, str | int | float] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        try:
            values[name] = int(value)
        except ValueError:
            values[name] = value
    return values


def echo_json(value: Any) -> None:
    """Print plain data as JSON."""
    click.echo(json.dumps(value, indent=1))
