"""What is judged: a program's text, the hardware, and where the data of each run comes from. Kept as two files:
`NAME.mlir`, whose first line holds what is not MLIR, and `NAME.yaml` with the hardware.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.signature import Port
from stratagem.hwmodels import System, dump_machine, load_machine
from tests.fuzz.description import Description, size_of
from tests.fuzz.text import to_mlir

Array = np.ndarray[Any, Any]
HEAD = "// fuzz: "
DEFAULT_RANGE = "unit"


@dataclass(frozen=True)
class Case:
    """`ranges` and each of `runs` go by argument: the range of its elements, and its shape. `target` is YAML, or the
    name of a system that ships.
    """

    text: str
    target: str
    seed: int
    ranges: dict[str, str]
    runs: list[dict[str, list[int]]]

    def data(self, port: Port, run: int) -> Array:
        """The elements of one argument in one run; parameters are the same in every run."""
        shape = tuple(self.runs[run][port.name])
        key = [self.seed, zlib.crc32(port.name.encode()), 0 if port.is_parameter else run]
        return _drawn(np.random.default_rng(key), shape, port, self.ranges.get(port.name, DEFAULT_RANGE))

    def machine(self) -> System:
        return load_text(self.target)

    def save(self, path: Path) -> None:
        """Writes `path` (.mlir) and the hardware beside it."""
        head = {"seed": self.seed, "ranges": self.ranges, "runs": self.runs}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}{json.dumps(head)}\n{self.text}")
        path.with_suffix(".yaml").write_text(dump_machine(self.machine()))

    @staticmethod
    def load(path: Path) -> Case:
        """What `save` wrote. Raises ValueError for a file without the first line that `save` writes."""
        first, _, text = path.read_text().partition("\n")
        if not first.startswith(HEAD):
            raise ValueError(f"{path} is no reproducer: its first line does not begin with '{HEAD.strip()}'")
        head = json.loads(first.removeprefix(HEAD))
        return Case(text, path.with_suffix(".yaml").read_text(), head["seed"], head["ranges"], head["runs"])


def load_text(target: str) -> System:
    """The system that a YAML text, or a name, describes."""
    if "\n" not in target:
        return load_machine(target)
    with tempfile.TemporaryDirectory(prefix="stratagem-fuzz-") as folder:
        path = Path(folder) / "target.yaml"
        path.write_text(target)
        return load_machine(path)


def case_of(program: Description, target: str) -> Case:
    """The case of a description on a target."""
    ranges = {f"x{v.number}": v.data for v in program.inputs}
    runs = [
        {f"x{v.number}": [size_of(d, sizes) for d in v.type.dims] for v in program.inputs} for sizes in program.runs
    ]
    return Case(to_mlir(program), target, program.seed, ranges, runs)


def _drawn(rng: np.random.Generator, shape: Sequence[int], port: Port, how: str) -> Array:
    """Floats: `unit` in [-1, 1), `large` in [-50, 50), `whole` numbers from -4 to 4. Integers: `wide` takes all values,
    anything else few small ones.
    """
    dtype = port.dtype
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu" and how == "wide":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -5, 10, shape).astype(dtype)
    if how == "whole":
        return rng.integers(-4, 5, shape).astype(dtype)
    return (rng.uniform(-1, 1, shape) * (50 if how == "large" else 1)).astype(dtype)
