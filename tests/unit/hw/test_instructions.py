"""Which instructions code needs, and which of them a processor lacks."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

import stratagem as sg
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import load_device
from stratagem.hwmodels.instructions import isa_table, needed_flags
from stratagem.runtime import instructions
from stratagem.runtime.errors import ArtifactError
from stratagem.runtime.instructions import flags, missing_instructions

ADD = """module attributes {stratagem.level = "tensor"} {
func.func @main(%x: tensor<3xf32> {model.input = "x"}) -> (tensor<3xf32> {model.output = "y"}) {
  %e = tensor.empty() : tensor<3xf32>
  %r = linalg.add ins(%x, %x : tensor<3xf32>, tensor<3xf32>) outs(%e : tensor<3xf32>) -> tensor<3xf32>
  return %r : tensor<3xf32>
}
}"""
CPUINFO = "processor\t: 0\nmodel name\t: any\nflags\t\t: fpu avx2 fma\n\nprocessor\t: 1\nflags\t\t: none\n"


class Library:
    """A library that exports `sg_instructions`."""

    def __init__(self, text: bytes) -> None:
        self.held = ctypes.create_string_buffer(text)


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    monkeypatch.setattr(instructions, "CPUINFO", path)
    monkeypatch.setattr(instructions, "KEY", "flags")
    monkeypatch.setattr(instructions, "_exported", lambda library: library.held.value.decode())
    return path


def test_a_level_and_what_is_beyond_it() -> None:
    highest = isa_table()["x86_64"]["levels"][0]
    facts = {"triple": "x86_64-unknown-linux-gnu", "cpu": highest["cpu"], "features": "+avx512vnni,-sse4a"}
    assert needed_flags(facts) == [*highest["flags"], "avx512_vnni"]
    assert needed_flags({"triple": "x86_64-unknown-linux-gnu", "cpu": "a-cpu-of-next-year"}) == []
    assert needed_flags({"triple": "wasm32-unknown-wasi", "cpu": "x86-64-v3"}) == []
    assert needed_flags({"triple": "aarch64-linux", "features": "+neon,+i8mm"}) == ["i8mm"]


@pytest.mark.parametrize("name", ["generic-avx512", "epyc-zen5", "generic-avx2", "generic-sse"])
def test_descriptions_of_the_library_say_what_they_need(name: str) -> None:
    assert needed_flags(load_device(name).target)


def test_code_for_this_machine_runs_on_it() -> None:
    assert flags(Path("/proc/cpuinfo")).issuperset(needed_flags(load_device("cpu").target))


def test_a_program_that_this_processor_cannot_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = sg.compile(Program(parse_module(ADD)), target="generic-avx2", run_checks=False)
    monkeypatch.setattr(instructions, "flags", lambda path: frozenset({"fma", "f16c", "movbe", "bmi1", "bmi2"}))
    with pytest.raises(ArtifactError, match="instructions that this processor does not have: avx2"):
        assert model.executable


def test_what_is_missing(cpuinfo: Path) -> None:
    assert missing_instructions(Library(b"avx2 avx512f fma avx512bw")) == ["avx512f", "avx512bw"]  # type: ignore[arg-type]
    assert missing_instructions(Library(b"")) == []  # type: ignore[arg-type]


def test_nothing_is_missing_where_the_system_does_not_tell(cpuinfo: Path) -> None:
    flags.cache_clear()
    cpuinfo.unlink()
    assert missing_instructions(Library(b"avx512f")) == []  # type: ignore[arg-type]


def test_code_that_does_not_say_what_it_needs() -> None:
    assert missing_instructions(ctypes.CDLL(None)) == []
