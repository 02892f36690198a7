"""A model that has types for some sizes only, as a user meets it: no options to compile, a message where it stops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.run.cli.conftest import Cli, write_model

SQUEEZES = """(float[n,m,3] x) => (float[n,2] y) <float[3,2] w = {1, 2, 3, 4, 5, 6}, int64[1] one = {1}> {
  s = Shape<start=1, end=2>(x)  c = Equal(s, one)
  h = If(c) <then_branch = t () => (float[] a) { a = Squeeze(x, one) },
             else_branch = e () => (float[] b) { b = Identity(x) }>
  y = Gemm(h, w)
}"""
ONE, TWO = np.arange(15, dtype=np.float32).reshape(5, 1, 3), np.ones((5, 2, 3), np.float32)


@pytest.fixture
def squeezer(cli: Cli) -> Path:
    write_model(Path("squeezer.onnx"), SQUEEZES)
    np.savez("one.npz", x=ONE)
    np.savez("two.npz", x=TWO)
    assert cli("compile", "squeezer.onnx", "-o", "squeezer.sgm").code == 0
    return Path("squeezer.sgm")


def test_sizes_it_was_compiled_for(cli: Cli, squeezer: Path) -> None:
    assert cli("run", squeezer, "--inputs", "one.npz", "--output", "y.npz").code == 0
    assert np.array_equal(np.load("y.npz")["y"], ONE[:, 0] @ np.arange(1, 7, dtype=np.float32).reshape(3, 2))


def test_code_stops_at_other_sizes(cli: Cli, squeezer: Path) -> None:
    message = "compiled for inputs with which dimension 1 of 'x' is 1"
    cli("run", squeezer, "--inputs", "two.npz", "--output", "y.npz").refused(10, "If 'h'", message)
    assert not Path("y.npz").exists()


@pytest.mark.parametrize("level", ["tensor", "device", "system", "physical"])
def test_every_level_stops_at_other_sizes(cli: Cli, squeezer: Path, level: str) -> None:
    assert cli("run", squeezer, "--inputs", "one.npz", "--level", level).code == 0
    cli("run", squeezer, "--inputs", "two.npz", "--level", level).refused(6, "If 'h'", "dimension 1 of 'x' is 1")


def test_verify_asks_for_other_sizes(cli: Cli, squeezer: Path) -> None:
    done = cli("verify", squeezer, "--inputs", "two.npz")
    assert "the program does not take these inputs" in done.out and "--size" in done.out
    assert "the program does not take" not in cli("verify", squeezer, "--inputs", "one.npz").out


def test_a_condition_that_nothing_settles_names_the_option(cli: Cli) -> None:
    write_model(Path("m.onnx"), SQUEEZES.replace("(float[n,2] y)", "(float[] y)").replace("Gemm(h, w)", "Relu(h)"))
    cli("compile", "m.onnx").refused(3, "If 'h'", "fits either branch", "--input-shape")
    assert cli("compile", "m.onnx", "--input-shape", "x=5,2,3", "-o", "m.sgm").code == 0
