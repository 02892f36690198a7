"""`stratagem bench` of a torch.export archive beside PyTorch's eager mode."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from stratagem.cli.main import run


def test_bench_beside_eager(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(13, 17), torch.nn.Tanh()).eval()
    torch.export.save(torch.export.export(model, (torch.randn(3, 13),)), tmp_path / "net.pt2")
    capfd.readouterr()
    assert run(["bench", str(tmp_path / "net.pt2"), "--seconds", "0.05", "--threads", "1", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert [t["name"] for t in facts["timings"]] == ["stratagem", "torch eager"]
    assert facts["differences"]["torch eager"] < 1e-5 and facts["relative"]["torch eager"] > 0
