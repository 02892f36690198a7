"""`stratagem bench` of a torch.export archive beside everything that is installed, also what it is converted for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from stratagem.api.peers import PEERS
from stratagem.cli.main import run


def test_bench_of_an_exported_program(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.Tanh(), torch.nn.Flatten()).eval()
    torch.export.save(torch.export.export(model, (torch.randn(1, 3, 7, 11),)), tmp_path / "net.pt2")
    capfd.readouterr()
    assert run(["bench", str(tmp_path / "net.pt2"), "--seconds", "0.05", "--threads", "1", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    timed = {c["peer"] for c in facts["contenders"] if c["rounds"]}
    installed = {name for name, peer in PEERS.items() if not peer.missing()}
    assert {"torch", "inductor", "xla", "onnxruntime"} <= installed, "the tests' own packages"
    assert timed == {"stratagem", *installed} and facts["best"] in installed and facts["ratio"] > 0
    tried = {c["variant"] for c in facts["contenders"] if c["peer"] == "torch"}
    assert tried == {"contiguous", "channels-last"}, "there are convolutions in it"
    for contender in facts["contenders"]:
        assert not contender["failed"] and contender["error"] < 1e-4
        assert contender["bytes_serving"] >= contender["bytes_before"] > 0


def test_inputs_stay_where_peers_read_them(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # Large enough to be given back to the system, or used again, were nobody to hold it.
    model = torch.nn.Conv2d(16, 16, 3, padding=1).eval()
    torch.export.save(torch.export.export(model, (torch.randn(1, 16, 57, 57),)), tmp_path / "net.pt2")
    capfd.readouterr()
    against = ",".join(n for n in ("onnxruntime", "openvino", "xla") if not PEERS[n].missing())
    options = ["--seconds", "0.05", "--threads", "1", "--json"]
    assert run(["bench", str(tmp_path / "net.pt2"), "--against", against, *options]) == 0
    for contender in json.loads(capfd.readouterr().out)["contenders"]:
        assert not contender["failed"], contender
