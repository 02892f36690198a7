"""What a peer is: another way to run a model, described without importing it, and loaded in a process of its own."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Task:
    """What a peer is asked to load.

    Attributes:
        files: the model by ending (`.onnx`, `.pt2`, `.mlir`): the user's file and what was converted from it.
        inputs: arrays by input name, in the model's order; they live as long as the model that was loaded.
        convolutional: it has convolutions over images, so channels-last layouts are worth a try.
        parameters: it has weights, so freezing them is worth a try.
        scratch: a folder of this peer's own, empty or as an earlier run of the same model left it.
        target: what Stratagem compiles for; the others run on this machine in any case.
    """

    files: Mapping[str, Path]
    inputs: Mapping[str, Array]
    threads: int
    variant: str
    scratch: Path
    convolutional: bool = False
    parameters: bool = True
    target: str = "cpu"

    def bound(self, taken: Sequence[str]) -> list[tuple[str, Array]]:
        """Which array goes to which input of a converted model, which may have dropped inputs or renamed them.

        Raises ValueError where neither names nor number agree.
        """
        if all(name in self.inputs for name in taken):
            return [(name, self.inputs[name]) for name in taken]
        if len(taken) == len(self.inputs):
            return list(zip(taken, self.inputs.values(), strict=True))
        raise ValueError(f"inputs do not match: the model has {', '.join(self.inputs)}; its copy {', '.join(taken)}")


@dataclass(frozen=True)
class Loaded:
    """A model ready to run.

    Attributes:
        call: one run to completion, with inputs bound beforehand; only this is timed.
        fetch: results of `call` as arrays.
        facts: what is worth keeping, such as seconds of steps (`compile_s`).
    """

    call: Callable[[], Any]
    fetch: Callable[[Any], Sequence[Array]]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Module(Protocol):
    """A file of this folder."""

    PEER: Peer

    def load(self, task: Task) -> Loaded:
        """Loads the model for `task.threads` threads; raises what the peer raises."""


@dataclass(frozen=True)
class Peer:
    """A way to run models.

    Attributes:
        name: as in `--against`. module: the file of this folder that loads it.
        packages: modules it imports -> what to give pip.
        format: ending of the file it reads. variants: its settings worth comparing; the best one counts.
        suits: which variants are worth trying for a task; all by default.
        environment: variables of its process, for a number of threads.
    """

    name: str
    module: str
    packages: Mapping[str, str]
    format: str
    variants: tuple[str, ...] = ("default",)
    suits: Callable[[str, bool, bool], bool] = lambda variant, convolutional, parameters: True
    environment: Callable[[int], Mapping[str, str]] = lambda threads: {}

    def missing(self) -> list[str]:
        """What to give pip before this peer can run; empty when it is installed."""
        return [pip for module, pip in self.packages.items() if not _exists(module)]

    def version_text(self) -> str:
        """Its packages with their versions."""
        return ", ".join(f"{name} {version(name)}" for name in map(_distribution, self.packages.values()))

    def source(self) -> Module:
        """The file that loads it."""
        module: Any = importlib.import_module(f"stratagem.api.peers.{self.module}")
        return module  # type: ignore[no-any-return]


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def _distribution(requirement: str) -> str:
    return requirement.partition("[")[0]
