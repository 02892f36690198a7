"""Worker process: runs emitted Triton source on the CPU under checks. Started by `interpreter.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from stratagem.compiler.backends.gpu.access_checks import AccessChecker, Region
from stratagem.compiler.backends.gpu.aot_worker import load_source
from stratagem.compiler.backends.gpu.protocol import Message
from stratagem.compiler.backends.gpu.worker import serve

Array = np.ndarray[Any, Any]

GUARD = 4096
"""Bytes around every buffer, so that a small step outside stays in no other buffer."""
ALIGNMENT = 256
VIRTUAL_BASE = 1 << 46
VIRTUAL_GAP = 1 << 34


def answer(request: dict[str, Any], blobs: list[bytes]) -> Message:
    """Runs all launches of a kernel; the answer holds findings and, as blobs, every writable buffer."""
    try:
        return _run(request, blobs)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}, []


def _run(request: dict[str, Any], blobs: list[bytes]) -> Message:
    from stratagem.compiler.backends.gpu.triton_adapter import Argument, run_programs

    storage = [_storage(b, blobs) for b in request["buffers"]]
    bases = _bases(request["buffers"], storage)
    checker = AccessChecker(
        [_region(b, base, data) for b, base, data in zip(request["buffers"], bases, storage, strict=True)]
    )
    module = load_source(request["source"], "<interpreted kernel>")
    random = np.random.default_rng(request["seed"])
    for launch in request["launches"]:
        checker.begin_launch(launch["function"])
        count = launch["grid"]
        order = launch["programs"] if launch["programs"] is not None else random.permutation(count).tolist()
        arguments = [
            Argument(p["type"], bases[p["buffer"]] if p["buffer"] is not None else p["value"])
            for p in launch["parameters"]
        ]
        if order:
            run_programs(getattr(module, launch["function"]), order, count, arguments, checker)
    if all(launch["programs"] is None for launch in request["launches"]):
        checker.finish()
    outputs = [
        data.tobytes() if data is not None and b["writable"] else b""
        for b, data in zip(request["buffers"], storage, strict=True)
    ]
    return {"problems": checker.problems, "lanes": checker.lanes}, outputs


def _storage(buffer: dict[str, Any], blobs: list[bytes]) -> Array | None:
    """The bytes of a buffer with guards around them; None for a virtual one. Uninitialised bytes are NaN
    patterns.
    """
    if buffer["virtual"]:
        return None
    whole = np.full(buffer["nbytes"] + 2 * GUARD + ALIGNMENT, 0xFF, np.uint8)
    start = GUARD + (-(whole.ctypes.data + GUARD)) % ALIGNMENT
    data = whole[start : start + buffer["nbytes"]]
    if buffer["blob"] is not None:
        data[:] = np.frombuffer(blobs[buffer["blob"]], np.uint8)
    return data


def _bases(buffers: list[dict[str, Any]], storage: list[Array | None]) -> list[int]:
    bases, virtual = [], VIRTUAL_BASE
    for buffer, data in zip(buffers, storage, strict=True):
        if data is not None:
            bases.append(int(data.ctypes.data))
        else:
            bases.append(virtual)
            virtual += -(-buffer["nbytes"] // ALIGNMENT) * ALIGNMENT + VIRTUAL_GAP
    return bases


def _region(buffer: dict[str, Any], base: int, data: Array | None) -> Region:
    return Region(
        name=buffer["name"],
        base=base,
        nbytes=buffer["nbytes"],
        writable=buffer["writable"],
        covered=buffer["covered"],
        initialised=buffer["blob"] is not None or buffer["virtual"],
        written=None if data is None else np.zeros(buffer["nbytes"], bool),
    )


if __name__ == "__main__":
    serve(answer)
