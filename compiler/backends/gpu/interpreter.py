"""The checked interpreter: runs emitted source on the CPU where there is no GPU, and finds what a GPU would
hide.

It checks every lane's address, races between programs of a launch, lanes of one store that overlap, reads of memory
nobody wrote, and that destinations are written completely; programs run in shuffled order. It says nothing about speed
or about what the compiler makes of the source: results are labelled as interpreted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.backends.gpu.binding import Array, BoundCall, bind, raise_failed
from stratagem.compiler.backends.gpu.plan import KernelPlan
from stratagem.compiler.backends.gpu.worker import Worker
from stratagem.runtime.errors import ResourceError, VerificationError

LABEL = "interpreted on the CPU, not run on a GPU"


@dataclass(frozen=True)
class InterpretedRun:
    """Findings of one call, by name, and how many lane accesses were checked."""

    problems: dict[str, str]
    lanes: int


class CheckedInterpreter:
    """Runs kernels in a worker process; keep it open over many runs.

    Raises VerificationError from `run` with every finding, unless `tolerant` is set to inspect them.
    """

    def __init__(self) -> None:
        self._worker = Worker("interpreter_worker", {"TRITON_INTERPRET": "1", "OPENBLAS_NUM_THREADS": "1"})

    def close(self) -> None:
        self._worker.close()

    def run(
        self,
        source: str,
        plan: KernelPlan,
        arguments: Sequence[Array | int | float],
        *,
        seed: int = 0,
        tolerant: bool = False,
    ) -> InterpretedRun:
        """Runs one call; destination arrays among the arguments are updated in place.

        Args:
            seed: orders the programs of each launch.
            tolerant: return findings instead of raising them.
        """
        call = bind(plan, arguments)
        buffers, blobs = _buffers(call, arguments)
        answer, outputs = self._worker.ask(_request(source, call, buffers, seed), blobs)
        run = _read(plan, answer, tolerant)
        for index, (argument, expected) in enumerate(zip(arguments, plan.arguments, strict=True)):
            if expected.role == "dest":
                assert isinstance(argument, np.ndarray)
                argument[...] = np.frombuffer(outputs[index], argument.dtype).reshape(argument.shape)
        statuses = zip(plan.scratch, outputs[len(arguments) :], strict=True)
        raise_failed(plan, [np.frombuffer(words, np.int32) for s, words in statuses if s.messages])
        return run

    def check_addresses(
        self, source: str, plan: KernelPlan, shapes: Sequence[tuple[int, ...]], *, samples: int = 3
    ) -> InterpretedRun:
        """Checks index arithmetic at sizes too large to allocate: some programs per launch, no contents."""
        arguments = [
            np.lib.stride_tricks.as_strided(np.zeros(1, _numpy_type(a.dtype)), shape, (0,) * len(shape))
            for a, shape in zip(plan.arguments, shapes, strict=True)
        ]
        call = bind(plan, arguments)
        buffers, _ = _buffers(call, arguments, virtual=True)
        request = _request(source, call, buffers, 0)
        for launch in request["launches"]:
            last = launch["grid"] - 1
            launch["programs"] = sorted({last * i // max(samples - 1, 1) for i in range(samples)} if last >= 0 else ())
        answer, _ = self._worker.ask(request)
        return _read(plan, answer, tolerant=True)


def _numpy_type(dtype: str) -> np.dtype[Any]:
    from stratagem.runtime.signature import NUMPY_TYPES

    return np.dtype(NUMPY_TYPES[dtype])


def _buffers(
    call: BoundCall, arguments: Sequence[Array | int | float], virtual: bool = False
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Descriptions of all buffers (arguments, then scratch) and the contents the kernel may read."""
    read = {p.buffer for b in call.launches for p in b.launch.parameters if p.buffer is not None and p.reads}
    names = {p.buffer: p.name for b in call.launches for p in b.launch.parameters if p.buffer is not None}
    blobs: list[bytes] = []
    buffers = []
    for index, (argument, expected) in enumerate(zip(arguments, call.plan.arguments, strict=True)):
        dest = expected.role == "dest"
        blob = None
        if not virtual and isinstance(argument, np.ndarray) and (not dest or index in read):
            blob = len(blobs)
            blobs.append(np.ascontiguousarray(argument).tobytes())
        size = argument.size * argument.itemsize if isinstance(argument, np.ndarray) else 0
        name = names.get(index, f"argument{index}")
        buffers.append(describe_buffer(name, size, writable=dest, covered=dest, blob=blob, virtual=virtual))
    for number, (size, scratch) in enumerate(zip(call.scratch, call.plan.scratch, strict=True)):
        status = bool(scratch.messages) and not virtual
        blob = len(blobs) if status else None
        blobs += [bytes(size)] if status else []
        name = f"scratch{number}"
        buffers.append(describe_buffer(name, size, writable=True, covered=False, blob=blob, virtual=virtual))
    return buffers, blobs


def describe_buffer(
    name: str, nbytes: int, *, writable: bool, covered: bool, blob: int | None, virtual: bool
) -> dict[str, Any]:
    """A buffer as the worker takes it.

    Args:
        writable: launches may store to it; its contents come back. covered: all of it must be written.
        blob: number of the message's blob with its contents, None for uninitialised memory.
        virtual: addresses only.
    """
    return {
        "name": name,
        "nbytes": nbytes,
        "writable": writable,
        "covered": covered,
        "blob": blob,
        "virtual": virtual,
    }


def _request(source: str, call: BoundCall, buffers: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    launches = [
        {
            "function": b.launch.function,
            "grid": b.grid,
            "programs": None,
            "parameters": [
                {"type": p.type, "buffer": p.buffer, "value": v}
                for p, v in zip(b.launch.parameters, b.values, strict=True)
            ],
        }
        for b in call.launches
    ]
    return {"source": source, "buffers": buffers, "launches": launches, "seed": seed}


def _read(plan: KernelPlan, answer: dict[str, Any], tolerant: bool) -> InterpretedRun:
    if "error" in answer:
        raise ResourceError(f"the checked interpreter cannot run kernel '{plan.name}': {answer['error']}")
    run = InterpretedRun(dict(answer["problems"]), int(answer["lanes"]))
    if run.problems and not tolerant:
        raise VerificationError(f"kernel '{plan.name}' breaks its contract: " + "; ".join(run.problems.values()))
    return run
