"""Code for other processors than this one: objects of the right machine, with its vector instructions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stratagem.compiler.backends.base import backend_names, load_backend
from stratagem.compiler.backends.cpu.compile import emit_assembly, emit_object, kernels_to_llvm
from stratagem.compiler.backends.cpu.linker import find_c_compiler, link
from stratagem.compiler.backends.cpu.llvm import has_power_of_two_scaling
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.ir import parse_module
from stratagem.hwmodels import Device, Level, Unit
from stratagem.runtime.errors import HardwareError, PassError, ResourceError, UsageError
from stratagem.runtime.library import find_library
from stratagem.runtime.shared_object import architecture
from tests.run.cpu.kernels import matmul, structured

TARGETS = {
    "x86-64": (CpuTarget("x86_64-unknown-linux-gnu", "x86-64-v3", "", 32, 16), 62, "vfmadd231ps"),
    "aarch64": (CpuTarget("aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32), 183, "fmla"),
    "riscv64": (CpuTarget("riscv64-unknown-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c,+v", 16, 32), 243, "vfmacc"),
    "riscv64-scalar": (
        CpuTarget("riscv64-unknown-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c", 16, 32),
        243,
        "fmadd.s",
    ),
}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    source = matmul(24, 40, 33) + structured(
        ["?xf32"], "?xf32", ["(i)->(i)"] * 2, "p", "%y = math.exp %x0 : f32\nlinalg.yield %y : f32", name="e"
    )
    return {name: kernels_to_llvm(parse_module(source), target)[0] for name, (target, _, _) in TARGETS.items()}


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_objects_of_other_machines(name: str, texts: dict[str, str]) -> None:
    target, machine, instruction = TARGETS[name]
    data = emit_object(texts[name], target)
    assert data[:4] == b"\x7fELF"
    assert int.from_bytes(data[18:20], "little") == machine
    assert instruction in emit_assembly(texts[name], target)


def test_exponentials_scale_by_an_instruction_where_there_is_one() -> None:
    text = structured(["?xf32"], "?xf32", ["(i)->(i)"] * 2, "p", "%y = math.exp %x0 : f32\nlinalg.yield %y : f32")
    wide = CpuTarget("x86_64-unknown-linux-gnu", "x86-64-v4", "", 64, 32)
    assert has_power_of_two_scaling(wide, 16)
    assert "vscalefps" in emit_assembly(kernels_to_llvm(parse_module(text), wide)[0], wide)
    for target, _, _ in TARGETS.values():
        assert not has_power_of_two_scaling(target, target.lanes("f32"))
        assert "llvm.ldexp" not in kernels_to_llvm(parse_module(text), target)[0]


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_generated_code_needs_the_runtime_and_nothing_else(name: str, texts: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "k.o").write_bytes(emit_object(texts[name], TARGETS[name][0]))
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm is not installed: install binutils")
    listing = subprocess.run([nm, str(tmp_path / "k.o")], capture_output=True, text=True, check=True).stdout
    undefined = {line.split()[-1] for line in listing.splitlines() if " U " in line}
    defined = {line.split()[-1] for line in listing.splitlines() if " T " in line}
    assert {u for u in undefined if not u.startswith("sg_")} <= {"memset", "memcpy"}
    assert defined == {"_mlir_ciface_k", "_mlir_ciface_e"}


def test_an_unknown_triple_is_named() -> None:
    with pytest.raises(HardwareError, match="no code generator for triple 'abacus'"):
        emit_object("", CpuTarget("abacus"))


def test_text_that_is_no_assembly_is_refused() -> None:
    with pytest.raises(PassError, match="code generator refuses"):
        emit_object("define nonsense", CpuTarget())


def test_a_description_becomes_a_target() -> None:
    levels = (
        Level("dram", "memory"),
        Level("l2", "cache", size=2**19),
        Level("l1", "cache", size=2**14),
        Level("vreg", "register", size=512, granule=32),
    )
    unit = Unit("fma", "vreg", lanes={"f32": 8}, rate={"f32": 1.0})
    facts = {"triple": "x86_64-linux", "cpu": "x86-64-v3", "features": ["avx2", "-sse4a"]}
    target = CpuTarget.of(Device("d", "cpu", "cpu", 1e9, levels, (unit,), target=facts))
    assert target == CpuTarget("x86_64-linux", "x86-64-v3", "+avx2,-sse4a", 32, 16, 2**14, 2**17, cached_bytes=2**19)
    assert (target.lanes("f32"), target.lanes("f64"), target.lanes("i8")) == (8, 4, 32)
    bare = CpuTarget.of(Device("d", "cpu", "cpu", 1e9, (), (unit,)))
    assert (bare.vector_bytes, bare.cpu) == (32, "generic")


def test_linking_without_a_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ResourceError, match="needs a C compiler") as caught:
        find_c_compiler()
    assert "install one" in str(caught.value)


def test_a_cross_compiler_goes_before_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    machine = next(name for name in ("aarch64", "riscv64") if name != platform.machine())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"(?s)nor is the package ziglang installed.*stratagem\[cross\]"):
        find_c_compiler(machine)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "ziglang")
    assert find_c_compiler(machine)[:4] == [sys.executable, "-m", "ziglang", "cc"]
    compiler = tmp_path / f"{machine}-linux-gnu-gcc"
    compiler.touch(0o755)
    assert find_c_compiler(machine) == [str(compiler)]


@pytest.mark.parametrize("name", ["aarch64", "riscv64"])
def test_the_package_links_for_other_machines(
    name: str, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ziglang", reason="needs the package ziglang: pip install 'stratagem[cross]'")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("platform.machine", lambda: "another")
    shared = link([emit_object(texts[name], TARGETS[name][0])])
    assert shared[:4] == b"\x7fELF" and architecture(shared) == name
    assert b"_mlir_ciface_k" in shared and b"_mlir_ciface_e" in shared
    with pytest.raises(PassError, match=r"linking 1 objects failed.*ziglang"):
        link([shared[:100]])


def test_a_linker_error_is_told() -> None:
    with pytest.raises(PassError, match="linking 1 objects failed"):
        link([b"not an object"])


def test_backends_are_folders() -> None:
    assert "cpu" in backend_names()
    assert load_backend("cpu").name == "cpu"
    assert load_backend("cpu").driver is None
    with pytest.raises(UsageError, match="no backend 'abacus'"):
        load_backend("abacus")


def test_a_missing_runtime_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRATAGEM_RUNTIME", str(tmp_path))
    with pytest.raises(ResourceError, match="cmake") as caught:
        find_library()
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "libstratagem_runtime.so").touch()
    assert find_library() == tmp_path / "libstratagem_runtime.so"
    assert os.environ["STRATAGEM_RUNTIME"] == str(tmp_path)
