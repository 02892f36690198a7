"""The launch plan of a kernel: what the host must do to run it. Plain data, stored as JSON, read without
MLIR.

A kernel is a list of launches, run in order (a phase of the kernel each). All tensors are dense and
row-major; the arguments keep the order of the device-form function, destinations last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from stratagem.compiler.backends.gpu.expressions import Expression
from stratagem.runtime.errors import ArtifactError

VERSION = 1


@dataclass(frozen=True)
class Argument:
    """One argument of the kernel, as the caller passes it.

    `shape` has None where any extent is allowed; it is None as a whole for a scalar.
    """

    dtype: str
    shape: tuple[int | None, ...] | None
    role: str
    """`in`, `dest` or `scalar`."""


@dataclass(frozen=True)
class Scratch:
    """A device buffer that lives during one kernel call.

    With `messages` it holds status words: the host clears them before, and raises message i when word i is
    set after the last launch.
    """

    dtype: str
    elements: Expression
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """One parameter of a launched function: a pointer to a buffer, or a number the host computes.

    `buffer` counts the kernel's arguments first, then its scratch buffers.
    """

    name: str
    type: str
    """In Triton's spelling: `*fp32`, `i32`, `i64`, `fp32`."""
    buffer: int | None = None
    value: Expression | None = None
    reads: bool = False
    writes: bool = False


@dataclass(frozen=True)
class Launch:
    """One function launched over a one-dimensional grid of programs."""

    function: str
    grid: Expression
    parameters: tuple[Parameter, ...]
    warps: int
    stages: int
    stage_bytes: int = 0
    """Bytes of the tiles that one step of the staging loop loads; 0 where nothing is staged."""


@dataclass(frozen=True)
class KernelPlan:
    """All that is needed, besides code, to run one kernel."""

    name: str
    arguments: tuple[Argument, ...]
    scratch: tuple[Scratch, ...]
    launches: tuple[Launch, ...]
    version: int = field(default=VERSION)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> KernelPlan:
        """Reads what `to_json` wrote; raises ArtifactError when the version differs or a key is missing."""
        if data.get("version") != VERSION:
            raise ArtifactError(
                f"launch plan of version {data.get('version')}, this program reads version {VERSION}",
                hint="compile the model again",
            )
        try:
            return KernelPlan(
                name=data["name"],
                arguments=tuple(_argument(a) for a in data["arguments"]),
                scratch=tuple(Scratch(s["dtype"], s["elements"], tuple(s["messages"])) for s in data["scratch"]),
                launches=tuple(_launch(item) for item in data["launches"]),
            )
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"the launch plan is damaged: {error}", hint="compile the model again") from None


def _argument(data: dict[str, Any]) -> Argument:
    shape = data["shape"]
    return Argument(data["dtype"], None if shape is None else tuple(shape), data["role"])


def _launch(data: dict[str, Any]) -> Launch:
    return Launch(**{**data, "parameters": tuple(Parameter(**p) for p in data["parameters"])})
