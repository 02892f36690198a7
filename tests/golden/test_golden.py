"""Golden files: IR in, one RUN line, CHECK lines; `filecheck` runs in this process.

A file's RUN line is a command to paste into a shell: `stratagem opt %s --passes '...' [--target T] | filecheck %s`, or
with `not stratagem opt ...` and `2>&1` for a failure whose message is checked.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser

from stratagem.api.compiling import load_target
from stratagem.compiler.driver import StageRunner
from stratagem.compiler.ir import parse_module
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import StratagemError

HERE = Path(__file__).parent
FILES = sorted(HERE.rglob("*.mlir"))


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(HERE)) for p in FILES])
def test_golden(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRATAGEM_REPRODUCERS", str(tmp_path))
    text = path.read_text()
    options = Options(match_filename=str(path))
    matcher = Matcher(options, FInput("out", output_of(path, text)), Parser.from_opts(options))
    assert matcher.run() == 0


def output_of(path: Path, text: str) -> str:
    """What the RUN line's command prints."""
    found = re.search(r"^// RUN: (not )?stratagem opt %s (.*?)\|", text, re.M)
    assert found, f"{path} has no RUN line"
    words = shlex.split(found[2].replace("2>&1", ""))
    options = dict(zip(words[::2], words[1::2], strict=True))
    passes = tuple(p.strip() for p in options["--passes"].split(";"))
    target = options.get("--target", "generic-avx512").replace("%S", str(path.parent))
    try:
        program = Program(parse_module(text))
        StageRunner(PassContext(load_target(target))).run(program, [("opt", passes)])
    except StratagemError as error:
        assert found[1], f"unexpected failure: {error}"
        return f"error: {error}"
    assert not found[1], "a failure was expected"
    return str(program.module)
