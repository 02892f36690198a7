"""The `stratagem` command: errors become one message and an exit code, never a traceback of ours."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from stratagem import __version__

COMMANDS = {
    "compile": ("compile", "Compile a model for a target into an artifact."),
    "run": ("run", "Run an artifact, or any level of it."),
    "verify": ("verify", "Print what is proved, tested and not checked."),
    "explain": ("explain", "Show kernels, tiles and where time goes."),
    "hw": ("hw", "List, show, check and write hardware descriptions."),
    "sweep": ("sweep", "Explore variants of a device: which are worth it for a model."),
    "simulate": ("simulate", "Cost plans on systems of up to thousands of devices."),
    "bench": ("bench", "Time a model, beside other compilers where installed."),
    "opt": ("opt", "Apply passes to IR text: replay failures, explore."),
}
"""Command -> module in this folder, and the line `--help` shows. Modules load when their command is used."""


class LazyGroup(click.Group):
    """A group whose commands are imported when used, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"stratagem.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


EPILOG = """\b
Examples:
  stratagem compile model.onnx --target cpu -o model.sgm
  stratagem run model.sgm --inputs inputs.npz
  stratagem compile model.onnx --target h100 --until device
  stratagem hw new my-device --like generic-avx512
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stratagem")
def cli() -> None:
    """Compile machine-learning models, level by level, for hardware described in YAML."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `stratagem` command."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    try:
        code = cli.main(args=arguments, prog_name="stratagem", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except Exception as error:
        return report(error)
    return code if isinstance(code, int) else 0  # what a command gave to `Context.exit`


def report(error: Any) -> int:
    """Prints an error meant for the user and returns its exit code; anything else is a fault of ours and propagates."""
    from stratagem.hwmodels.errors import HardwareFileError
    from stratagem.runtime.errors import StratagemError

    if isinstance(error, StratagemError):
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, HardwareFileError):
        click.echo(f"error: {error}", err=True)
        return 4
    raise error


if __name__ == "__main__":
    main()
