"""Other ways to run the same model file, where they are installed: ONNX Runtime and PyTorch's eager mode."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.api.timing import Contender
from stratagem.runtime.errors import ResourceError, UsageError

Array = np.ndarray[Any, Any]
Make = Callable[[Path, Mapping[str, Array], int], Contender]


def choose(model: Path, against: str | None) -> list[str]:
    """The peers to measure: those named in `against`, separated by commas, or all that are installed and fit.

    Raises UsageError for a name there is none of or a model it cannot run, ResourceError when it is not installed.
    """
    fitting = [name for name, (suffix, _, _) in PEERS.items() if model.suffix.lower() == suffix]
    if against is None:
        return [name for name in fitting if _installed(name)]
    names = [n.strip() for n in against.split(",") if n.strip()]
    for name in names:
        if name not in PEERS:
            raise UsageError(f"there is nothing called '{name}' to compare with", hint=f"there is {', '.join(PEERS)}")
        if name not in fitting:
            raise UsageError(f"{name} does not run {model.name}", hint=f"it takes {PEERS[name][0]} files")
        if not _installed(name):
            raise ResourceError(f"{PEERS[name][1]} is not installed", hint=f"pip install {PEERS[name][1]}")
    return names


def make(name: str, model: Path, inputs: Mapping[str, Array], threads: int) -> Contender:
    """The peer, loaded and bound to its inputs; `threads` is how many it may use."""
    return PEERS[name][2](model, inputs, threads)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(PEERS[name][1]) is not None


def _ort(model: Path, inputs: Mapping[str, Array], threads: int) -> Contender:
    import onnxruntime

    started = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Its idle threads would otherwise spin into the next contender's time.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    takes = session.get_inputs()
    feed = {spec.name: inputs.get(spec.name, array) for spec, array in zip(takes, inputs.values(), strict=True)}
    return Contender("onnxruntime", lambda: session.run(None, feed), time.perf_counter() - started)


def _torch(model: Path, inputs: Mapping[str, Array], threads: int) -> Contender:
    import torch

    from stratagem.api.tensors import from_numpy

    torch.set_num_threads(threads)
    started = time.perf_counter()
    module = torch.export.load(str(model)).module()
    tensors = from_numpy("torch", list(inputs.values()))

    def call() -> list[Array]:
        with torch.no_grad():
            leaves = torch.utils._pytree.tree_leaves(module(*tensors))
        return [leaf.numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]

    return Contender("torch eager", call, time.perf_counter() - started)


PEERS: dict[str, tuple[str, str, Make]] = {
    "ort": (".onnx", "onnxruntime", _ort),
    "torch": (".pt2", "torch", _torch),
}
"""Name -> the file ending it takes, the package it needs, how to make it."""
