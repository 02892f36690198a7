"""docs/extending.md: every block of every section runs, in order, in a folder of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import stratagem.compiler.backends as backends
from stratagem.compiler.levels.tensor import OPERATIONS
from stratagem.compiler.passes.registry import PASSES
from stratagem.compiler.schedule.match import SCALAR_FUNCTIONS

PAGE = (Path(__file__).parents[2] / "docs/extending.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.S | re.M)


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The tables that the page adds to, put back afterwards; the folder it runs in."""
    monkeypatch.setitem(OPERATIONS, "tensor", OPERATIONS["tensor"])
    monkeypatch.setitem(PASSES, "erase-asserts", PASSES["mlir"])
    monkeypatch.setitem(SCALAR_FUNCTIONS, "atan", "atan")
    monkeypatch.setattr(backends, "__path__", list(backends.__path__))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_every_block_runs(untouched: Path) -> None:
    names: dict[str, Any] = {}
    for number, (language, text) in enumerate(BLOCKS):
        file = re.match(r"# (\S+\.\w+)\n", text)
        if file:
            path = untouched / file[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif language == "python":
            exec(compile(text, f"docs/extending.md, block {number}", "exec"), names)
        elif language == "mlir":
            _golden(untouched / f"block{number}.mlir", text)
        else:
            pytest.fail(f"block {number} is neither a file nor runs: {text[:60]}")


def test_there_is_a_section_for_each_thing() -> None:
    titles = re.findall(r"^## (.*)", PAGE, re.M)
    assert titles == ["A pass", "An operation in the tensor contract", "A device", "A function", "A target"]
    sections = re.split(r"^## ", PAGE, flags=re.M)[1:]
    assert all("```python" in section for section in sections)


def _golden(path: Path, text: str) -> None:
    """What `tests/golden` does with a file of its own."""
    from filecheck.finput import FInput
    from filecheck.matcher import Matcher
    from filecheck.options import Options
    from filecheck.parser import Parser

    from tests.golden.test_golden import output_of

    path.write_text(text)
    options = Options(match_filename=str(path))
    assert Matcher(options, FInput("out", output_of(path, text)), Parser.from_opts(options)).run() == 0
