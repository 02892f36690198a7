"""Functions decoded once: operations with numbered value slots, so that running a loop body reads no MLIR
object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stratagem.compiler.interpreter.elements import element_of
from stratagem.compiler.interpreter.values import Array, Value
from stratagem.compiler.interpreter.violation import Violation
from stratagem.compiler.ir import location_text
from stratagem.runtime.errors import UnsupportedError

if TYPE_CHECKING:
    from stratagem.compiler.interpreter.machine import Machine

TERMINATORS = frozenset(
    {
        "func.return",
        "scf.yield",
        "linalg.yield",
        "tensor.yield",
        "scf.condition",
        "scf.forall.in_parallel",
        "tm_tensor.yield",
        "scf.reduce",
        "affine.yield",
    }
)


@dataclass(slots=True)
class Frame:
    """The values of one running function, and the context of the vectorised body that runs in it.

    `grid` holds the iteration-space index arrays that `linalg.index` reads; `mask` the elements for which the
    running branch of a vectorised `scf.if` is taken (None: all).
    """

    slots: list[Any]
    grid: Sequence[Array] = ()
    mask: Array | None = None


Handler = Callable[["Machine", "Instruction", Frame, Sequence[Any]], Sequence[Any]]


@dataclass(slots=True)
class Body:
    """A single-block region: argument slots, instructions, and the terminator apart."""

    arguments: tuple[int, ...]
    instructions: tuple[Instruction, ...]
    terminator: Instruction


@dataclass(slots=True)
class Instruction:
    """One operation. `facts` is what its handler decoded from the attributes at first use."""

    op: Any
    name: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    bodies: tuple[Body, ...]
    handler: Handler
    element: str
    facts: Any = None

    @property
    def location(self) -> str:
        return location_text(self.op)

    def violation(self, problem: str) -> Violation:
        return Violation(self.name, problem, self.location)


@dataclass(slots=True)
class Function:
    """A decoded function: its body and how many slots it needs."""

    name: str
    body: Body
    slots: int


HANDLERS: dict[str, Handler] = {}
RUNTIME_CALL = "func.call of the runtime"
"""The handler of calls whose callee has no body in the module."""


def operation(*names: str) -> Callable[[Handler], Handler]:
    """Registers a handler for operations of these names."""

    def register(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return register


@dataclass
class Decoder:
    """Numbers the values of one function and turns its blocks into bodies."""

    numbers: dict[Any, int] = field(default_factory=dict)

    def function(self, op: Any, name: str) -> Function:
        body = self.region(op.regions[0], op)
        return Function(name, body, len(self.numbers))

    def region(self, region: Any, parent: Any) -> Body:
        blocks = list(region.blocks)
        if len(blocks) != 1:
            raise UnsupportedError(
                f"{parent.name} has a region of {len(blocks)} blocks; the interpreter needs one",
                location=location_text(parent),
            )
        arguments = tuple(self._number(value) for value in blocks[0].arguments)
        instructions = [self.instruction(op.operation) for op in blocks[0].operations]
        if instructions and instructions[-1].name in TERMINATORS:
            return Body(arguments, tuple(instructions[:-1]), instructions[-1])
        end = Instruction(parent, "end", (), (), (), _nothing, "")
        return Body(arguments, tuple(instructions), end)

    def instruction(self, op: Any) -> Instruction:
        operands = tuple(self._number(value) for value in op.operands)
        bodies = tuple(self.region(region, op) for region in op.regions if len(list(region.blocks)))
        results = tuple(self._number(value) for value in op.results)
        kinds = op.results if results else op.operands
        element = element_of(kinds[0].type) if len(kinds) else ""
        handler = _nothing if op.name in TERMINATORS else _handler_for(op.name)
        return Instruction(op, op.name, operands, results, bodies, handler, element)

    def _number(self, value: Any) -> int:
        return self.numbers.setdefault(value, len(self.numbers))


def _handler_for(name: str) -> Handler:
    """A handler of its own, else that of the dialect (`linalg.*`), else one that refuses when it is run."""
    return HANDLERS.get(name) or HANDLERS.get(f"{name.split('.')[0]}.*") or _refuse


def _nothing(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    return ()


def _refuse(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Value]:
    raise UnsupportedError(f"{instruction.name} has no reference semantics", location=instruction.location)
