"""What the tests of hardware files share: a small complete device, and a place to write changed ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DEVICE = """\
hw: 1
device: tiny
class: cpu
backend: cpu
source: {kind: datasheet, id: the tests, retrieved: "2026-08-01", spread: 10%}
clock: 2 GHz
levels:
  - {name: dram, kind: memory, size: 1 GiB, granule: 64 B, bandwidth: 10 GB/s, latency: 80 ns}
  - {name: core, kind: group, count: 2}
  - {name: l1, kind: cache, size: 32 KiB, granule: 64 B, bandwidth: 64 B/cy, latency: 4 cy}
  - {name: vreg, kind: register, size: 512 B}
units:
  - name: fma
    at: vreg
    count: 2
    functions: [matmul, add, exp]
    lanes: {f32: 8}
    energy: {f32: 4 pJ/op}
peak: {f32: 128 GFLOP/s}
power: {idle: 1 W, max: 20 W}
target: {triple: x86_64-unknown-linux-gnu}
"""

SYSTEM = """\
hw: 1
system: pair
source: {kind: assumed}
members: {host: {device: tiny}}
tiers:
  - {name: node, count: 2, of: host, link: {bandwidth: 1 GB/s, latency: 10 us, per: host}}
primitives:
  all_reduce: {algorithms: [ring], bandwidth: 0.9 GB/s}
mesh: {node: 2}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the small device (or another text), with each (old, new) text replaced, and gives its path."""

    def write_file(*changes: tuple[str, str], text: str = DEVICE, name: str = "tiny.yaml") -> Path:
        for old, new in changes:
            assert text.count(old) >= 1, f"{old!r} is not in the text"
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def system_text() -> str:
    """A system of two of the small devices."""
    return SYSTEM
