"""`torch.compile` with inductor's C++ code; `freezing` makes constants of weights and packs them for oneDNN."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from stratagem.api.peers.base import Loaded, Peer, Task
from stratagem.api.peers.torch_eager import open_module, results

PEER = Peer(
    "inductor",
    "torch_inductor",
    {"torch": "torch"},
    ".pt2",
    ("freezing", "default"),
    # Freezing does what the default does and more; compiling both takes most of a run's time.
    suits=lambda variant, convolutional, parameters: (variant == "freezing") == parameters,
    environment=lambda threads: {"TORCHINDUCTOR_COMPILE_THREADS": str(threads)},
)


def load(task: Task) -> Loaded:
    import os

    # Kept between runs, as its users have it; the first run of a model shows what compiling takes.
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(task.scratch)
    import torch
    import torch._inductor.config as config

    from stratagem.api.tensors import from_numpy

    config.freezing = task.variant == "freezing"
    module = open_module(task)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    compiled = torch.compile(module, dynamic=False)
    tensors = from_numpy("torch", list(task.inputs.values()))

    @torch.no_grad()  # type: ignore[untyped-decorator]  # inference mode turns freezing off
    def call() -> Any:
        return compiled(*tensors)

    return Loaded(call, results, {"ready_s": _first_load(call, task)})


def _first_load(call: Callable[[], Any], task: Task) -> float:
    """Compiles; the seconds of the first run of this model, with an empty cache."""
    started, note = time.perf_counter(), task.scratch / "compile_s"
    call()
    if not note.exists():
        note.write_text(str(time.perf_counter() - started))
    return float(note.read_text())
