"""Products that a library does: how it is called, what comes out, and what is said where it is missing."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratagem.api.compiling import load
from stratagem.api.verifying import verification_of
from stratagem.compiler import knobs
from stratagem.compiler.backends.cpu.linker import find_c_compiler
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.runtime.bindings import ExecutionError
from stratagem.runtime.errors import ArtifactError, ResourceError
from tests.unit.libraries.support import SLOW, SYMBOLS, calls, compiled, offering, product

RNG = np.random.default_rng(5)


def numbers(*shape: int, element: str = "f32") -> Any:
    return RNG.normal(size=shape).astype({"f32": np.float32, "f64": np.float64}[element])


def close(got: Any, want: Any) -> None:
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("element", ["f32", "f64"])
@pytest.mark.parametrize("convention", SYMBOLS)
def test_each_convention_computes_the_product(library: Path, convention: str, element: str) -> None:
    before = calls(library)
    model = compiled(product(37, 53, 29, element=element), offering(library, convention=convention))
    a, b = numbers(37, 29, element=element), numbers(29, 53, element=element)
    close(model(a, b), a @ b)
    assert calls(library) > before


@pytest.mark.parametrize("convention", SYMBOLS)
@pytest.mark.parametrize("maps", ["mk,kn,mn", "km,kn,mn", "mk,nk,mn", "km,nk,mn", "mk,kn,nm", "km,nk,nm"])
def test_operands_lie_as_they_lie(library: Path, maps: str, convention: str) -> None:
    before = calls(library)
    model = compiled(product(40, 72, 24, maps), offering(library, convention=convention))
    left, right, out = maps.split(",")
    a, b = numbers(40, 24), numbers(24, 72)
    got = model(a if left == "mk" else a.T.copy(), b if right == "kn" else b.T.copy())
    close(got if out == "mn" else got.T, a @ b)
    assert calls(library) > before


@pytest.mark.parametrize("sizes", [(1, 64, 32), (64, 1, 32), (64, 32, 1), (3, 500, 7)])
def test_sizes_of_one_and_odd_ones(library: Path, sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratagem.compiler.tuning.offers.BETTER", 1e9)
    m, n, k = sizes
    before = calls(library)
    model = compiled(product(m, n, k), offering(library))
    a, b = numbers(m, k), numbers(k, n)
    close(model(a, b), a @ b)
    assert calls(library) > before


def test_what_follows_a_product_is_generated_code(library: Path) -> None:
    weight = numbers(96, 128)
    model = compiled(product(64, 128, 96, weight=True, follow=True), offering(library), weight)
    a = numbers(64, 96)
    before = calls(library)
    close(model(a), np.maximum(a @ weight + 1, 0))
    assert calls(library) > before
    assert "panels" not in model.ir("device"), "a library reads the weight as it is"


def test_a_product_is_added_to_what_is_there(library: Path) -> None:
    kind = "tensor<40x72xf32>"
    text = product(40, 72, 24).replace(")\n    -> (", f', %c: {kind} {{model.input = "c"}})\n    -> (')
    text = text.replace(f"outs(%f : {kind}) {{", f"outs(%c : {kind}) {{")
    a, b, c = numbers(40, 24), numbers(24, 72), numbers(40, 72)
    before = calls(library)
    close(compiled(text, offering(library))(a, b, c), a @ b + c)
    assert calls(library) > before


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bits_with_each_number_of_threads(library: Path, threads: int) -> None:
    a, b = numbers(128, 64), numbers(64, 256)
    with knobs.scope(threads=threads):
        got = compiled(product(128, 256, 64), offering(library))(a, b)
    with knobs.scope(threads=1):
        np.testing.assert_array_equal(got, compiled(product(128, 256, 64), offering(library))(a, b))


def test_the_library_works_on_one_thread_and_has_its_own_number_back(library: Path) -> None:
    compiled(product(64, 64, 64), offering(library))(numbers(64, 64), numbers(64, 64))  # fails on more than one
    assert ctypes.CDLL(str(library)).gemm_get_threads() == 4


def test_a_status_that_is_no_success_stops_the_program(library: Path) -> None:
    target = offering(library)
    target.write_text(target.read_text().replace("gemm_f32", "gemm_that_fails"))
    with pytest.raises(ExecutionError, match="gemm_that_fails failed"):
        compiled(product(64, 64, 64), target)(numbers(64, 64), numbers(64, 64))


def test_an_artifact_loads_the_library_and_names_it_where_it_is_missing(library: Path, tmp_path: Path) -> None:
    own = tmp_path / "libown.so"
    own.write_bytes(library.read_bytes())
    target = offering(library)
    target.write_text(target.read_text().replace(str(library), str(own)))
    path = compiled(product(64, 64, 64), target).save(tmp_path / "m.sgm")
    own.unlink()
    with pytest.raises(ArtifactError, match=r"calls gemm_f32 of libown.so, which its hardware file offers") as caught:
        load(path)(numbers(64, 64), numbers(64, 64))
    assert caught.value.hint == "make it, or compile for a hardware file that does not offer it"


def test_code_names_its_library_to_the_loader(library: Path, tmp_path: Path) -> None:
    """So programs in C, which load no manifest, find it where their loader looks, or are told its name."""
    code = tmp_path / "program.so"
    code.write_bytes(compiled(product(64, 64, 64), offering(library)).compilation.code.shared_object)
    program = f"""
from pathlib import Path
from stratagem.runtime.bindings import load_runtime
from stratagem.runtime.shared_object import open_shared_object
load_runtime()
open_shared_object(Path({str(code)!r}).read_bytes())
"""
    command = [sys.executable, "-c", program]
    alone = subprocess.run(command, capture_output=True, text=True, check=False)
    assert alone.returncode and "OSError: libgemm.so: cannot open shared object file" in alone.stderr
    subprocess.run(command, env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)}, check=True)


def test_code_for_another_architecture_names_its_library(library: Path) -> None:
    other = "aarch64" if platform.machine() != "aarch64" else "x86_64"
    try:
        find_c_compiler(other)
    except ResourceError as error:
        pytest.skip(f"{error.problem}; {error.hint}")
    target = offering(library)
    like = {"aarch64": "generic-aarch64", "x86_64": "generic-avx2"}[other]
    target.write_text(target.read_text().replace("extends: cpu\n", f"extends: {like}\n"))
    code = compiled(product(64, 64, 64), target).compilation.code
    assert [one.name for one in code.libraries] == ["libgemm.so"] and b"libgemm.so\0" in code.shared_object


def test_a_saved_artifact_computes(library: Path, tmp_path: Path) -> None:
    path = compiled(product(32, 64, 48), offering(library)).save(tmp_path / "m.sgm")
    a, b = numbers(32, 48), numbers(48, 64)
    before = calls(library)
    close(load(path)(a, b)[0], a @ b)
    assert calls(library) > before


def test_another_version_of_the_library_is_named(library: Path) -> None:
    target = offering(library, symbol="cblas1979")
    with pytest.raises(ArtifactError, match=r"libgemm.so, and the library that was found has no cblas1979_f32"):
        compiled(product(64, 64, 64), target)(numbers(64, 64), numbers(64, 64))


def test_a_library_under_a_name_that_is_not_its_own_is_refused(library: Path, tmp_path: Path) -> None:
    other = tmp_path / "libother.so"
    other.write_bytes(library.read_bytes())
    target = offering(library)
    target.write_text(target.read_text().replace(str(library), str(other)))
    with pytest.raises(ArtifactError, match=r"libother\.so") as caught:
        compiled(product(64, 64, 64), target)(numbers(64, 64), numbers(64, 64))
    assert "soname" in str(caught.value.hint)


def test_calls_are_tested_never_proved(library: Path) -> None:
    model = compiled(product(64, 96, 80), offering(library))
    left = [f for f in model.report.findings if f.level == "code"]
    assert [f.verdict for f in left] == [Verdict.NOT_CHECKED] and "libgemm.so" in left[0].detail
    assert "not checked" in model.report.verdict_line()
    verification = verification_of(model)
    report = verification.report()
    report.add(*verification.run_findings({"a": numbers(64, 80), "b": numbers(80, 96)}))
    mine = [f for f in report.findings if f.level == "code" and f.subject == left[0].subject]
    assert [f.verdict for f in mine] == [Verdict.TESTED]
    assert "all" in report.verdict_line()


def test_a_library_that_computes_something_else_is_refuted(library: Path) -> None:
    model = compiled(product(64, 96, 80), offering(library, symbol="wrong"))
    findings = verification_of(model).run_findings({"a": numbers(64, 80), "b": numbers(80, 96)})
    assert Verdict.REFUTED in {f.verdict for f in findings}


def test_no_library_no_difference(library: Path) -> None:
    slow, plain = (compiled(product(64, 64, 64), target) for target in (offering(library, SLOW), "cpu"))
    assert "device.offer" in slow.ir("device") and "device.offer" not in plain.ir("device")
    assert not slow.compilation.code.libraries and not plain.compilation.code.libraries
