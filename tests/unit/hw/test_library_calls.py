"""Libraries in hardware files: what is read, and every mistake with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stratagem.hwmodels import LibraryCall, check_file, load_device
from stratagem.hwmodels.describe import device_lines

Write = Callable[..., Path]
UNIT = """\
  - name: blas
    at: vreg
    emulated: true
    functions: [matmul]
    rate: {f32: 30 op/cy}
    calls:
      matmul:
        library: libblas.so.3
        symbols: {f32: cblas_sgemm}
        convention: cblas
        threads: {set: blas_set_threads}
        install: install BLAS
peak:"""


@pytest.fixture
def with_library(write: Write) -> Write:
    """The small device with a library, and (old, new) texts replaced."""

    def write_file(*changes: tuple[str, str]) -> Path:
        return write(("peak:", UNIT), *changes)

    return write_file


def test_a_library_is_a_unit_that_generated_code_does_not_use(with_library: Write) -> None:
    device = load_device(with_library())
    call = LibraryCall("libblas.so.3", {"f32": "cblas_sgemm"}, "cblas", "blas_set_threads", "", "install BLAS")
    (unit,) = device.libraries_for("matmul", "f32")
    assert unit.calls == {"matmul": call}
    assert device.libraries_for("matmul", "f64") == device.libraries_for("add", "f32") == ()
    chosen = device.unit_for("matmul", "f32")
    assert chosen is not None and chosen.name == "fma"
    assert "blas: matmul by cblas_sgemm of libblas.so.3" in list(device_lines(device))


def test_another_symbol_is_another_device(with_library: Write) -> None:
    one = load_device(with_library())
    other = load_device(with_library(("cblas_sgemm", "my_sgemm")))
    assert one.digest != other.digest


SYMBOLS, CONVENTION, RATE = "symbols: {f32: cblas_sgemm}", "convention: cblas", "rate: {f32: 30 op/cy}"


@pytest.mark.parametrize(
    "old, new, place, expected",
    [
        (CONVENTION, "convention: cblass", "28:21: units.blas.calls.matmul.convention", "did you mean 'cblas'?"),
        (CONVENTION + "\n", "way: cblas\n", "28:9: units.blas.calls.matmul.way", "keys here are library, symbols,"),
        (SYMBOLS, "symbols: {f32: 3sgemm}", "27:24: units.blas.calls.matmul.symbols.f32", "the name of a C function"),
        (SYMBOLS, "symbols: {f32: f, i8: g}", "27:31: units.blas.calls.matmul.symbols.i8", "passes f32 and f64, no i8"),
        (SYMBOLS, "symbols: {}", "27:18: units.blas.calls.matmul.symbols", ""),
        ("libblas.so.3", "../libblas.so.3", "26:18: units.blas.calls.matmul.library", "such as 'libblas.so.3'"),
        ("libblas.so.3", "blas", "26:18: units.blas.calls.matmul.library", "the file of a shared library"),
        (RATE, "rate: {f32: 30 op/cy, f64: 9 op/cy}", "27:18: units.blas.calls.matmul.symbols", "a rate for f64"),
        ("    emulated: true\n", "", "19:5: units.blas", "say 'emulated: true'"),
        ("      matmul:\n", "      matmull:\n", "26:9: units.blas.calls.matmull", "did you mean 'matmul'?"),
        ("{set: blas_set_threads}", "{get: tell}", "29:18: units.blas.calls.matmul.threads.set", "is missing"),
    ],
)
def test_mistakes(with_library: Write, old: str, new: str, place: str, expected: str) -> None:
    problems = [str(problem) for problem in check_file(with_library((old, new)))]
    assert any(place in problem and expected in problem for problem in problems), problems


def test_a_convention_does_what_the_function_means(with_library: Write) -> None:
    path = with_library(
        ("functions: [matmul]\n    rate", "functions: [add]\n    rate"), ("      matmul:", "      add:")
    )
    (problem,) = check_file(path)
    assert "'cblas' computes C[m,n] += A[m,k] * B[k,n], and add is Y[i] = A[i] + B[i]" in str(problem)
