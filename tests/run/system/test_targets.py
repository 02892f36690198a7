"""The same perceptron and attention block through all four levels for different device classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program

torch = pytest.importorskip("torch", reason="the models are torch modules: pip install 'stratagem[torch]'")

MADE_UP = """
hw: 1
device: made-up
class: near-memory
backend: cpu
source: {kind: projected, spread: 50%, note: exists in this test only}
clock: 800 MHz
levels:
  - {name: pool, kind: memory, size: 2 GiB, granule: 16 B, bandwidth: 100 GB/s, latency: 80 ns}
  - {name: island, kind: group, count: 6}
  - {name: pad, kind: cache, size: 24 KiB, granule: 16 B, bandwidth: 32 B/cy, latency: 3 cy}
  - {name: vreg, kind: register, size: 512 B, granule: 16 B}
units:
  - name: vector
    at: vreg
    functions: [matmul, batch_matmul, matvec, add, sub, mul, div, max, min, neg, exp, tanh, erf, rsqrt, sqrt,
      cast, copy, transpose, compare, select, reduce_sum, reduce_max]
    lanes: {f32: 4, f64: 2, i64: 2, i32: 4, i1: 16}
target: {triple: x86_64-unknown-linux-gnu, cpu: x86-64-v2, features: "", vector-bits: 128}
"""


NO_GPU = "host CPU; device interpreted on the CPU, not run on a GPU: no CUDA device here"


def models() -> dict[str, tuple[Any, Any]]:
    torch.manual_seed(0)
    relu, linear = torch.nn.ReLU(), torch.nn.Linear
    return {
        "mlp": (torch.nn.Sequential(linear(33, 65), relu, linear(65, 7)), torch.randn(5, 33)),
        "attention": (torch.nn.TransformerEncoderLayer(16, 2, 33, batch_first=True).eval(), torch.randn(1, 7, 16)),
    }


@pytest.mark.parametrize("model", ["mlp", "attention"])
@pytest.mark.parametrize("target", ["cpu", "h100", "upmem-rank", "made-up.yaml"])
def test_all_levels_and_the_code_agree(model: str, target: str, tmp_path: Path) -> None:
    if target == "h100":
        pytest.importorskip("triton", reason="compiling for GPUs needs Triton: pip install 'stratagem[gpu]'")
    if target.endswith(".yaml"):
        (tmp_path / target).write_text(MADE_UP)
        target = str(tmp_path / target)
    module, x = models()[model]
    with torch.no_grad():
        compiled = sg.compile(module, (x,), target=target)
        expected = module(x).numpy()
    np.testing.assert_allclose(compiled(x).numpy(), expected, rtol=1e-3, atol=1e-4)
    name, store = compiled.signature.inputs[0].name, compiled.compilation.parameters
    for level in compiled.levels:
        (value,) = reference(Program(parse_module(compiled.ir(level)), store), {name: x.numpy()})
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4, err_msg=level)
    counts = compiled.report.counts()
    assert counts.get("proved for all sizes", 0) >= 10 and "refuted" not in counts


def largest_of_all(x: Any, w: Any) -> Any:
    """One number of all elements: nothing that units could share."""
    h = torch.relu(x @ w)
    return (h == h.max()).all(-1)


def test_what_a_member_refuses_runs_on_the_host_and_says_so() -> None:
    compiled = sg.compile(
        largest_of_all, (torch.randn(7, 16), torch.randn(16, 33)), target="upmem-rank", until="system"
    )
    text = compiled.ir("system")
    assert 'system.member = "host"' in text and 'system.member = "device"' in text
    assert 'reason = "device: ' in text and 'tiles = "upmem-rank"' in text and 'unit = ""' in text


def test_transfers_are_explicit_at_the_system_level() -> None:
    module, x = models()["mlp"]
    with torch.no_grad():
        compiled = sg.compile(module, (x,), target="upmem-rank", until="system")
    assert 'system.transfer"(%arg0) {source = "host", target = "device"}' in compiled.ir("system")


@pytest.mark.parametrize(
    ("target", "where"),
    [("cpu", "host CPU"), ("upmem-rank", "host CPU; device simulated: 64 units of upmem-rank"), ("h100", NO_GPU)],
)
def test_an_executable_says_what_stands_in_for_a_device(
    target: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if target == "h100":
        pytest.importorskip("triton", reason="compiling for GPUs needs Triton: pip install 'stratagem[gpu]'")
        monkeypatch.setattr("stratagem.compiler.backends.gpu.driver.count_devices", lambda _: 0)
    module, x = models()["mlp"]
    with torch.no_grad():
        assert sg.compile(module, (x,), target=target).executable.where == where
