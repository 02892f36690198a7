"""Unsigned integers through files: a model, its artifact at every level, and arrays in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

import stratagem as sg
from stratagem.compiler.checks.verdicts import Verdict
from tests.run.cli.conftest import Array, Cli

TEXT = """<ir_version: 10, opset_import: ["" : 21]> g (uint8[n] x, uint16[n] w, uint32[n] a, uint64[n] b)
=> (uint8[n] y, uint16[n] v, uint32[n] c, uint64[n] d, bool[n] big)
<uint8[1] hundred = {100}> { y = Sub(x, hundred)  v = Identity(w)  c = Add(a, a)  d = BitwiseNot(b)
  big = Greater(x, y) }"""
INPUTS: dict[str, Array] = {
    "x": np.array([255, 0, 128, 100, 7], np.uint8),
    "w": np.array([65535, 0, 1, 2, 3], np.uint16),
    "a": np.array([2**31, 2**31 - 1, 5, 0, 1], np.uint32),
    "b": np.array([0, 2**64 - 1, 1, 2, 3], np.uint64),
}
WANTED: dict[str, Array] = {
    "y": INPUTS["x"] - np.uint8(100),
    "v": INPUTS["w"],
    "c": INPUTS["a"] + INPUTS["a"],
    "d": ~INPUTS["b"],
    "big": INPUTS["x"] > INPUTS["x"] - np.uint8(100),
}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = onnx.parser.parse_model(TEXT)
    return sg.compile(model, target="cpu").save(tmp_path_factory.mktemp("unsigned") / "model.sgm")


@pytest.mark.parametrize("level", [None, "tensor", "device", "system", "physical"])
def test_code_and_every_level(cli: Cli, artifact: Path, level: str | None) -> None:
    np.savez("inputs.npz", allow_pickle=False, **INPUTS)
    done = cli("run", artifact, "--inputs", "inputs.npz", "--output", "out.npz", *(["--level", level] if level else []))
    assert done.code == 0, done.err
    with np.load("out.npz") as results:
        for name, want in WANTED.items():
            assert results[name].dtype == want.dtype
            np.testing.assert_array_equal(results[name], want)


def test_a_loaded_artifact_says_and_checks_the_types(cli: Cli, artifact: Path) -> None:
    loaded = sg.load(artifact)
    assert [s.dtype for s in loaded.signature.inputs] == ["u8", "u16", "u32", "u64"]
    assert [s.dtype for s in loaded.signature.outputs] == ["u8", "u16", "u32", "u64", "i1"]
    np.savez("wrong.npz", allow_pickle=False, **{**INPUTS, "w": INPUTS["w"].view(np.int16)})
    done = cli("run", artifact, "--inputs", "wrong.npz")
    assert done.code != 0 and "input 'w' has dtype int16, the program takes uint16" in done.err
    assert "array.astype('uint16')" in done.err


def test_verification_compares_unsigned_results(cli: Cli, artifact: Path) -> None:
    done = cli("verify", artifact)
    assert done.code == 0 and Verdict.REFUTED.value not in done.out and Verdict.TESTED.value in done.out
