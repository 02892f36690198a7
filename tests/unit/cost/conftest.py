"""What the tests of costs share: a made-up accelerator, a cluster of thousands of them, and its models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stratagem.compiler.cost.figures import End
from stratagem.compiler.cost.model import Model, model_of
from stratagem.hwmodels import System, load_machine

DEVICE = """\
hw: 1
device: lattice
class: accelerator
backend: "null"
source: {kind: assumed, spread: 10%, note: the tests}
clock: 1 GHz
launch: 2 us
levels:
  - {name: hbm, kind: memory, size: 16 GiB, granule: 64 B, bandwidth: 1 TB/s, latency: 500 ns, energy: 40 pJ/B}
  - {name: l2, kind: cache, size: 32 MiB, granule: 64 B, bandwidth: 4 TB/s, latency: 100 ns}
  - {name: core, kind: group, count: 10}
  - {name: scratch, kind: scratchpad, size: 256 KiB, granule: 64 B, bandwidth: 512 B/cy, latency: 10 cy}
units:
  - name: matrix
    at: scratch
    count: 1
    functions: [matmul]
    tile: {bf16: [16, 16, 16]}
    rate: {bf16: 10 TFLOP/s}
    energy: {bf16: 0.5 pJ/op}
  - {name: vector, at: scratch, count: 64, functions: [add, mul, fma, exp], lanes: {f32: 2}}
power: {idle: 50 W, max: 400 W}
"""

CLUSTER = """\
hw: 1
system: grid
source: {kind: assumed, spread: 20%, note: the tests}
params: {nodes: 2048}
members: {chip: {device: lattice}, host: {device: generic-avx512}}
tiers:
  - name: net
    count: $nodes
    topology: fat-tree
    link: {bandwidth: 20 GB/s, latency: 10 us, energy: 100 pJ/B, per: chip}
  - name: board
    count: 8
    of: chip
    with: {host: 1}
    link: {bandwidth: 200 GB/s, latency: 2 us, energy: 10 pJ/B, per: chip}
primitives:
  all_reduce: {algorithms: [ring, tree]}
  all_gather: {algorithms: [ring]}
  reduce_scatter: {algorithms: [ring]}
  send_recv: {algorithms: [direct]}
cost: {rent: 16384 USD/h, pue: 1.5, carbon: 0.36 kg/kWh}
"""

SIZES = """\
transformer: small
hidden: 512
layers: 12
heads: 8
sequence: 256
vocabulary: 1000
dtype: bf16
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes device and cluster (or another text under another name), each (old, new) replaced; gives the last path."""

    def write_files(*changes: tuple[str, str], text: str = "", name: str = "") -> Path:
        files = {name: text} if text else {"lattice.yaml": DEVICE, "grid.yaml": CLUSTER}
        for old, new in changes:
            assert any(old in content for content in files.values()), f"{old!r} is in none of the texts"
            files = {file: content.replace(old, new) for file, content in files.items()}
        path = tmp_path
        for file, content in files.items():
            path = tmp_path / file
            path.write_text(content, encoding="utf-8")
        return path

    return write_files


@pytest.fixture
def grid(write: Write) -> System:
    """The cluster of 16,384 made-up accelerators."""
    return load_machine(write())


@pytest.fixture
def model(grid: System) -> Model:
    """Its model as stated."""
    return model_of(grid, "bf16")


@pytest.fixture
def models(grid: System) -> tuple[Model, Model, Model]:
    """Its models at the best end, as stated, and at the worst end."""
    best, stated, worst = (model_of(grid, "bf16", end=end) for end in (End.BEST, End.STATED, End.WORST))
    return best, stated, worst
