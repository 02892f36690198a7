"""What is measured: one model in the formats that contenders read, its inputs and its float64 results, in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Work:
    """What one run must do at least.

    Attributes:
        flops: floating-point operations. moved: bytes of weights, inputs and outputs, each once.
        weights: bytes of parameters. live: bytes of the largest set of activations that are needed at one time.
    """

    flops: float
    moved: int
    weights: int
    live: int


@dataclass(frozen=True)
class Subject:
    """A model to measure.

    Attributes:
        folder: holds `inputs.npz` and `reference.npz`. files: the model by ending.
        missing: formats there are none of, and why.
        convolutional, parameters: as in `peers.base.Task`. work: None where nobody counted it.
    """

    name: str
    folder: Path
    files: Mapping[str, Path]
    missing: Mapping[str, str] = field(default_factory=dict)
    convolutional: bool = False
    parameters: bool = True
    work: Work | None = None
    target: str = "cpu"

    def inputs(self) -> dict[str, Array]:
        """Inputs by name, in the model's order."""
        return read_arrays(self.folder / "inputs.npz")

    def reference(self) -> list[Array]:
        """Results in float64, in the model's order."""
        return list(read_arrays(self.folder / "reference.npz").values())

    def save(self) -> None:
        """Writes `subject.json` into the folder, which `open_subject` reads."""
        facts = {**asdict(self), "folder": "", "files": {e: str(p) for e, p in self.files.items()}}
        (self.folder / "subject.json").write_text(json.dumps(facts, indent=1))


def open_subject(folder: Path) -> Subject:
    """The subject that `save` wrote."""
    facts = json.loads((folder / "subject.json").read_text())
    facts["files"] = {ending: Path(path) for ending, path in facts["files"].items()}
    facts["work"] = facts["work"] and Work(**facts["work"])
    return Subject(**{**facts, "folder": folder})


def write_arrays(path: Path, arrays: Mapping[str, Array] | Sequence[Array]) -> None:
    """Writes arrays by name, or by place."""
    named = arrays if isinstance(arrays, Mapping) else {f"r{i}": a for i, a in enumerate(arrays)}
    # An archive's member must not be called like a parameter of `savez`.
    np.savez(path, allow_pickle=False, **{f"a.{name}": array for name, array in named.items()})


def read_arrays(path: Path) -> dict[str, Array]:
    """What `write_arrays` wrote, in its order."""
    with np.load(path, allow_pickle=False) as archive:
        return {name.removeprefix("a."): archive[name] for name in archive.files}
