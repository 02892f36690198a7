"""`stratagem bench`: contenders in their processes, what it refuses, and what becomes of one that fails or is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stratagem.api.measure import process
from stratagem.api.measure.subject import read_arrays, write_arrays
from stratagem.api.peers.base import Peer, Task
from tests.run.cli.conftest import Cli

QUICK = ("--seconds", 0.05, "--threads", 1)


def test_beside_onnxruntime(cli: Cli, model: Path) -> None:
    done = cli("bench", model, *QUICK, "--against", "onnxruntime", "--size", "x=3,13", "--json")
    assert done.code == 0, done.err
    facts = done.json
    assert facts["threads"] == 1 and facts["inputs"]["x"] == {"dtype": "float32", "shape": [3, 13]}
    ours, theirs = facts["contenders"]
    assert (ours["peer"], theirs["peer"], facts["best"]) == ("stratagem", "onnxruntime", "onnxruntime")
    for contender in facts["contenders"]:
        assert len(contender["rounds"]) == 5 and 0 < contender["minimum"] <= max(contender["rounds"])
        assert contender["calls"] >= 5 and contender["error"] < 1e-4 and contender["failed"] == ""
    pairs = zip(theirs["rounds"], ours["rounds"], strict=True)
    assert facts["ratio"] == pytest.approx(float(np.median([t / o for t, o in pairs])))
    assert "onnxruntime" in theirs["version"] and facts["machine"]["processor"]


def test_the_table_names_machine_and_versions(cli: Cli, model: Path) -> None:
    done = cli("bench", model, *QUICK, "--against", "onnxruntime")
    assert done.code == 0, done.err
    for part in (
        "processors",
        "peers: onnxruntime ",
        "other processes used",
        "net.onnx on host CPU",
        "median ms",
        "1.00",
    ):
        assert part in done.out, done.out


def test_an_artifact_alone(cli: Cli, artifact: Path) -> None:
    done = cli("bench", artifact, *QUICK)
    assert done.code == 0 and "stratagem" in done.out and "median" in done.out and "peers: none" in done.out


def test_what_cannot_be_compared(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("bench", model, "--against", "gcc").refused(2, "'gcc'", "there is torch, inductor, xla")
    cli("bench", model, "--against", "torch").refused(2, "torch does not run net.onnx", ".pt2")
    monkeypatch.setattr(Peer, "missing", lambda peer: list(peer.packages.values()))
    cli("bench", model, "--against", "iree").refused(
        9, "iree is not installed", 'pip install "iree-base-compiler[onnx]"'
    )


def test_without_a_choice_nothing_that_is_missing_is_tried(
    cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Peer, "missing", lambda peer: list(peer.packages.values()))
    done = cli("bench", model, *QUICK, "--json")
    assert done.code == 0 and [c["peer"] for c in done.json["contenders"]] == ["stratagem"]


def test_inputs_of_a_wrong_shape_are_refused(cli: Cli, model: Path) -> None:
    cli("bench", model, *QUICK, "--size", "x=3,14").refused(7, "[3, 14]")


def test_more_threads_than_processors_are_refused(cli: Cli, artifact: Path) -> None:
    cli("bench", artifact, "--threads", 4096).refused(9, "4096 threads need as many processors", "--threads")


def test_a_peer_with_wrong_results_is_not_the_best(cli: Cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # ONNX Runtime gets other inputs than the reference had: every result is off, and it is fast all the same.
    given = process.Process.__init__

    def with_other_inputs(self: process.Process, peer: Peer, variant: str, subject: Path, *rest: object) -> None:
        if peer.name == "onnxruntime":
            arrays = read_arrays(subject / "inputs.npz")
            write_arrays(subject / "inputs.npz", {name: a + np.float32(1) for name, a in arrays.items()})
        given(self, peer, variant, subject, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(process.Process, "__init__", with_other_inputs)
    facts = cli("bench", model, *QUICK, "--against", "onnxruntime", "--json").json
    assert facts["best"] is None and facts["ratio"] is None
    assert facts["contenders"][1]["failed"].startswith("WRONG: result 0 is off by")


def test_a_converted_model_may_drop_or_rename_inputs() -> None:
    task = Task({}, {"x": np.zeros(1), "y": np.ones(2)}, 1, "default", Path())
    assert [name for name, _ in task.bound(["y"])] == ["y"]
    assert [(name, a.size) for name, a in task.bound(["input_0", "input_1"])] == [("input_0", 1), ("input_1", 2)]
    with pytest.raises(ValueError, match="inputs do not match: the model has x, y; its copy z"):
        task.bound(["z"])
