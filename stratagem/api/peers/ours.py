"""Stratagem itself: compiled in a process of its own, without and with the compile cache, then run as an artifact."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from stratagem.api.peers.base import Loaded, Peer, Task

PEER = Peer("stratagem", "ours", {"stratagem.api.session": "stratagem"}, "")
FRONTENDS = {".onnx": "onnx", ".pt2": "torch_archive", ".mlir": "stablehlo", ".mlirbc": "stablehlo"}


def load(task: Task) -> Loaded:
    from stratagem.api.session import open_session

    artifact = task.files.get(".sgm")
    compiled: dict[str, Any] = {}
    if artifact is None:
        artifact, compiled = compile_apart(next(iter(task.files.values())), task)
    started = time.perf_counter()
    session = open_session(artifact, threads=task.threads)
    bound = session.signature.bind(list(task.inputs.values()))
    ready_s = compiled.get("cold_compile_s", 0.0) + time.perf_counter() - started
    return Loaded(lambda: session.runner.run(bound), list, {**compiled, "ready_s": ready_s, "executed": session.label})


def compile_apart(model: Path, task: Task) -> tuple[Path, dict[str, Any]]:
    """Compiles in a new process, so that what compiling leaves in memory is not counted as serving."""
    artifact = task.scratch / "model.sgm"
    command = [sys.executable, "-m", "stratagem.api.peers.ours", str(model), str(artifact), task.target]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("compiling failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1])
    return artifact, json.loads(done.stdout.splitlines()[-1])


def compile_twice(model: Path, artifact: Path, target: str) -> dict[str, float]:
    """Seconds of `stratagem.compile` with an empty cache and again with it filled; libraries are imported before."""
    import stratagem
    from stratagem.compiler import compile, knobs  # noqa: F401

    importlib.import_module(f"stratagem.compiler.frontends.{FRONTENDS[model.suffix.lower()]}")

    seconds = []
    with tempfile.TemporaryDirectory(prefix="stratagem-bench-") as folder, knobs.scope(cache=folder):
        for _ in range(2):
            started = time.perf_counter()
            compiled = stratagem.compile(model, target=target)
            seconds.append(time.perf_counter() - started)
        compiled.save(artifact)
    return {"cold_compile_s": seconds[0], "warm_compile_s": seconds[1]}


if __name__ == "__main__":
    print(json.dumps(compile_twice(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
