"""What a pass is: a frozen dataclass whose fields are its options and whose `apply` changes a program in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from stratagem.compiler.program import Program

if TYPE_CHECKING:
    from stratagem.hwmodels import Machine


@dataclass
class PassContext:
    """What a pass may look at besides the program: the hardware, nothing else. `tell` says what long work is at."""

    machine: Machine | None = None
    tell: Callable[[str], None] = lambda what: None


@dataclass(frozen=True)
class Pass:
    """Base class of all passes.

    Subclasses set `name` (verb-object, with dashes) and implement `apply`. The docstring says what changes, before ->
    after, what the pass needs and leaves, and where the idea comes from.
    """

    name: ClassVar[str]

    def apply(self, program: Program, context: PassContext) -> None:
        raise NotImplementedError

    def __str__(self) -> str:
        """The text form that `registry.parse` reads back: `name{option=value ...}`."""
        options = [f"{f.name.replace('_', '-')}={getattr(self, f.name)}" for f in fields(self) if _differs(self, f)]
        return self.name + ("{" + " ".join(options) + "}" if options else "")


def _differs(instance: Pass, field: Any) -> bool:
    return bool(getattr(instance, field.name) != field.default)


@dataclass(frozen=True)
class UpstreamPass(Pass):
    """A pipeline of MLIR's own passes, as text for a `builtin.module`."""

    name: ClassVar[str] = "mlir"
    pipeline: str = ""

    def apply(self, program: Program, context: PassContext) -> None:
        from stratagem.compiler.ir import run_pipeline

        run_pipeline(program.module, f"builtin.module({self.pipeline})")
