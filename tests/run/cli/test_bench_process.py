"""A contender's process: what its parent is told when it fails, dies or hangs, and that it ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stratagem.api.measure.process import Process, environment
from stratagem.api.measure.rounds import Settings, measure, scratch_of
from stratagem.api.measure.subject import Subject, open_subject, write_arrays
from stratagem.api.peers import OURS, PEERS
from stratagem.runtime.errors import ResourceError

ORT = PEERS["onnxruntime"]


@pytest.fixture
def subject(model: Path, tmp_path: Path) -> Subject:
    write_arrays(tmp_path / "inputs.npz", {"x": np.ones((2, 13), np.float32), "c": np.ones((1, 17), np.float32)})
    write_arrays(tmp_path / "reference.npz", [np.zeros((2, 17)), np.zeros(2)])
    made = Subject("net", tmp_path, {".onnx": model})
    made.save()
    return made


@pytest.fixture
def process(subject: Subject, tmp_path: Path) -> Iterator[Process]:
    made = Process(ORT, "default", subject.folder, tmp_path / "scratch", sorted(os.sched_getaffinity(0))[:1])
    yield made
    made.end()


def test_a_wrong_reference_is_noticed_and_calls_are_timed(process: Process) -> None:
    answer = process.ask(60, do="load")
    assert answer["wrong"].startswith("result 0 is off by") and answer["version"].startswith("onnxruntime ")
    timed = process.ask(60, do="run", warm=0.0, seconds=0.01)
    assert timed["times"] and all(t > 0 for t in timed["times"]) and timed["processors"] == 1


def test_it_stands_still_between_questions(process: Process) -> None:
    process.ask(60, do="load")
    end = time.monotonic() + 20
    while _state(process._child.pid) != "T" and time.monotonic() < end:
        time.sleep(0.01)
    assert _state(process._child.pid) == "T"


def test_an_error_is_told(process: Process) -> None:
    assert process.ask(60, do="check") == {"failed": "RuntimeError: nothing is loaded"}


def test_a_death_is_told(process: Process) -> None:
    process.ask(60, do="load")
    os.kill(process._child.pid, signal.SIGKILL)
    assert process.ask(60, do="check")["failed"].startswith("the process ended: killed by SIGKILL")


def test_a_hanging_one_is_ended(process: Process) -> None:
    assert process.ask(0, do="load") == {"failed": "no answer within 0 s"}
    assert process._child.poll() == -signal.SIGKILL


def test_it_ends_when_its_parent_is_killed(subject: Subject, tmp_path: Path) -> None:
    text = (
        "import sys, time; from pathlib import Path; from stratagem.api.measure.process import Process\n"
        "from stratagem.api.peers import PEERS\n"
        f"p = Process(PEERS['onnxruntime'], 'default', Path({str(subject.folder)!r}), Path({str(tmp_path)!r}), [0])\n"
        "p.ask(60, do='load'); print(p._child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 20
    while _alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return _state(pid) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_format_that_there_is_none_of_is_a_failure_of_the_peer(subject: Subject, tmp_path: Path) -> None:
    missing = Subject("net", subject.folder, subject.files, {".mlir": "no .mlir of net.onnx: why"})
    missing.save()
    told: list[str] = []
    settings = Settings(1, tmp_path / "scratch", seconds=0.02, rounds=2)
    row = measure(missing, "models", [PEERS["xla"], ORT], settings, told.append)
    ours, xla, ort = row.contenders
    assert ours.peer == "stratagem" and ours.failed.startswith("WRONG") and row.ours is None
    assert xla.failed == "no .mlir of net.onnx: why" and ort.failed.startswith("WRONG") and row.best is None
    assert any("onnxruntime" in line and "WRONG" in line for line in told)


def test_too_many_threads_are_refused(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="100000 threads need as many processors"):
        measure(subject, "models", [], Settings(100000, tmp_path), print)


def test_all_have_the_same_memory_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    ours, theirs = environment(OURS, 3), environment(PEERS["inductor"], 3)
    for name in ("MALLOC_MMAP_MAX_", "OMP_NUM_THREADS", "STRATAGEM_THREADS"):
        assert ours[name] == theirs[name]
    assert "OPENBLAS_CORETYPE" not in theirs and theirs["TORCHINDUCTOR_COMPILE_THREADS"] == "3"


def test_what_is_kept_depends_on_the_model(subject: Subject, model: Path, tmp_path: Path) -> None:
    before = scratch_of(tmp_path, subject, ORT, "default")
    assert before == scratch_of(tmp_path, open_subject(subject.folder), ORT, "default")
    os.utime(model, ns=(1, 1))
    assert before != scratch_of(tmp_path, subject, ORT, "default")
