"""An artifact ready to run: its code on one or several ranks, or one of its levels by the reference interpreter."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stratagem.runtime.container import Container
from stratagem.runtime.executable import load_executable
from stratagem.runtime.parameters import ParameterStore
from stratagem.runtime.ranks import Runner, runner
from stratagem.runtime.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = np.ndarray[Any, Any]


@dataclass
class Session:
    """`run` takes arrays by name or in order; `label` says what executed them; `rank` is this process's."""

    signature: Signature
    runner: Runner

    @property
    def label(self) -> str:
        return self.runner.label

    @property
    def rank(self) -> int:
        return self.runner.rank

    def run(self, inputs: Mapping[str, Array] | Sequence[Array]) -> list[Array]:
        """One run; raises RuntimeInputError when the inputs do not fit."""
        self.signature.bind(inputs)
        return self.runner.run(inputs)


def open_session(path: Path, level: str | None = None, threads: int = 0) -> Session:
    """Opens an artifact.

    Args:
        level: None for its code; else `tensor`, `device`, `system` or `physical`, run by the reference interpreter.
        threads: threads of the CPU runtime; 0 for what knob `STRATAGEM_THREADS` says, else one per processor.

    Raises ArtifactError, UsageError.
    """
    container = Container(path)
    signature = Signature.from_json(container.manifest["signature"])
    if level is not None:
        return Session(signature, _LevelRunner(container, level, signature))
    from stratagem.runtime.bindings import load_runtime

    runtime = load_runtime()
    if threads:
        runtime.set_threads(threads)
    ranks = int(container.manifest.get("ranks", 1))
    return Session(signature, runner(lambda rank: load_executable(container, rank), ranks, os.environ))


class _LevelRunner:
    """Runs one level's IR in float64 with the reference interpreter."""

    rank = 0

    def __init__(self, container: Container, level: str, signature: Signature) -> None:
        from stratagem.compiler.artifact import level_text

        self._text = level_text(container, level)
        self._container, self._signature = container, signature
        self.label = f"level {level} by the reference interpreter, float64"

    def run(self, inputs: Any) -> list[Array]:
        from stratagem.compiler.interpreter.api import reference, run_spmd
        from stratagem.compiler.interpreter.signature import results_of
        from stratagem.compiler.ir import find_function, level_of, parse_module
        from stratagem.compiler.program import Program

        member = self._container.members["params.safetensors"]
        store = ParameterStore.load(self._container.path, member.offset, member.size)
        arrays = self._signature.bind(inputs)
        named = {spec.name: a for spec, a in zip(self._signature.inputs, arrays, strict=True)}
        program = Program(parse_module(self._text), store)
        ranks = int(self._container.manifest["ranks"])
        if ranks == 1 or level_of(program.module) == "tensor":  # the program is cut on the way to the next level
            results: list[Array] = reference(program, named)
            return results
        from stratagem.compiler.artifact import machine_of

        values = run_spmd(program, [named] * ranks, machine_of(self._container).mesh)[0]
        ports = results_of(find_function(program.module, "main"))
        return [port.outside(value) for value, port in zip(values, ports, strict=True)]
