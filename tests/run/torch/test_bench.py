"""`stratagem bench` of a torch.export archive beside PyTorch itself and what its file is converted for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from stratagem.cli.main import run


def test_bench_of_an_exported_program(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.Tanh(), torch.nn.Flatten()).eval()
    torch.export.save(torch.export.export(model, (torch.randn(1, 3, 7, 11),)), tmp_path / "net.pt2")
    capfd.readouterr()
    against = ["--against", "torch,onnxruntime,xla"]
    assert run(["bench", str(tmp_path / "net.pt2"), *against, "--seconds", "0.05", "--threads", "1", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    timed = [(c["peer"], c["variant"]) for c in facts["contenders"] if c["rounds"]]
    assert ("stratagem", "default") in timed and ("onnxruntime", "default") in timed and ("xla", "default") in timed
    assert {variant for peer, variant in timed if peer == "torch"} <= {"contiguous", "channels-last"}
    assert facts["best"] in ("torch", "onnxruntime", "xla") and facts["ratio"] > 0
    for contender in facts["contenders"]:
        assert not contender["failed"] and contender["error"] < 1e-4
        assert contender["bytes_serving"] >= contender["bytes_before"] > 0
