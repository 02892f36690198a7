"""README.md: its Python runs, its commands, options and targets exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from stratagem.cli.main import cli
from stratagem.compiler.backends.base import backend_names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (?:mpiexec -n 2 )?(stratagem .*?) *(?:#.*)?$", TEXT, re.M)


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="the example compiles a PyTorch model; torch is not installed")
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    exec(compile(block, "README.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "obligations" in shown and "scf.forall" in shown


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line: str) -> None:
    """Parses the line with the real command, without running it."""
    words = shlex.split(line)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found, f"there is no command {words[0]}"
        command, words = found, words[1:]
    command.make_context(line, words)


def test_every_backend_is_in_the_table() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \|", TEXT, re.M)) == backend_names()


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"^\$ make (\w+)", TEXT, re.M):
        assert re.search(rf"^{name}:", makefile, re.M)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_files_that_pages_name_exist(page: Path) -> None:
    """Every `path/like.this` in backquotes that begins with one of our folders."""
    folders = "|".join(p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith("."))
    for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text()):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
