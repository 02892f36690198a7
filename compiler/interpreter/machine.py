"""Runs decoded functions: calls, blocks, and nothing else; what an operation does is in `ops/`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.attributes import callee
from stratagem.compiler.interpreter.buffers import store_results
from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.instructions import (
    HANDLERS,
    RUNTIME_CALL,
    Body,
    Decoder,
    Frame,
    Function,
    Instruction,
)
from stratagem.compiler.interpreter.ops import load_handlers
from stratagem.compiler.ir import symbol_name, walk
from stratagem.runtime.errors import UnsupportedError

CallHook = Callable[[Instruction, str, Sequence[Any]], list[Any]]
"""(call, callee, arguments) -> results; takes the place of running the callee."""


class Machine:
    """One module in one number domain.

    `undecided` lists the places where control flow or an address depended on a comparison that rounding could
    turn: after that no bound holds, so callers treat every result as not checked.
    """

    def __init__(self, module: Any, domain: Domain, *, trace_undefined: bool = False) -> None:
        load_handlers()
        self.domain = domain
        self.trace_undefined = trace_undefined
        self.undecided: list[str] = []
        self.undefined_reads: list[Instruction] = []
        self.executed = 0
        self.rank: Any = None
        self.on_call: CallHook | None = None
        self._module = module
        self._sources = _functions_by_name(module)
        self._decoded: dict[str, Function] = {}

    def function(self, name: str) -> Function:
        """The decoded function; raises UnsupportedError when the module holds no body for it."""
        if name not in self._decoded:
            source = self._sources.get(name)
            if source is None or not len(list(source.regions[0].blocks)):
                raise UnsupportedError(f"call of '{name}', which has no body in this module")
            self._decoded[name] = Decoder().function(source, name)
        return self._decoded[name]

    def source(self, name: str) -> Any:
        """The func.func operation called `name`, None if there is none."""
        return self._sources.get(name)

    def global_value(self, name: str) -> Any:
        """The memref.global operation called `name`, None if there is none."""
        globals_ = (op for op in walk(self._module.operation) if op.name == "memref.global")
        return next((op for op in globals_ if symbol_name(op) == name), None)

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        """Runs a function on values of this machine's domain."""
        function = self.function(name)
        if len(arguments) != len(function.body.arguments):
            count = len(function.body.arguments)
            raise UnsupportedError(f"'{name}' takes {count} arguments, {len(arguments)} were given")
        with np.errstate(all="ignore"):
            return self.run(function.body, Frame([None] * function.slots), arguments)

    def call_from(self, instruction: Instruction, frame: Frame, arguments: Sequence[Any]) -> Sequence[Any]:
        """A call met while running: to the runtime where the callee has no body, to the hook where there
        is one.
        """
        name = callee(instruction)
        source = self._sources.get(name)
        if source is not None and not len(list(source.regions[0].blocks)):
            return HANDLERS[RUNTIME_CALL](self, instruction, frame, arguments)
        results = self.on_call(instruction, name, arguments) if self.on_call else self.call(name, arguments)
        return store_results(instruction, arguments[len(arguments) - len(results) :], results)

    def run(self, body: Body, frame: Frame, arguments: Sequence[Any]) -> list[Any]:
        """Runs one block and returns the operands of its terminator."""
        slots = frame.slots
        for slot, value in zip(body.arguments, arguments, strict=True):
            slots[slot] = value
        self.run_instructions(body.instructions, frame)
        return [slots[slot] for slot in body.terminator.operands]

    def run_instructions(self, instructions: Sequence[Instruction], frame: Frame) -> None:
        slots = frame.slots
        self.executed += len(instructions)
        for instruction in instructions:
            operands = [slots[slot] for slot in instruction.operands]
            results = instruction.handler(self, instruction, frame, operands)
            for slot, value in zip(instruction.results, results, strict=True):
                slots[slot] = value

    def certain(self, instruction: Instruction, values: Sequence[Any]) -> None:
        """Notes that control flow or an address rests on `values`, in case any of them is in doubt."""
        for value in values:
            if isinstance(value, tuple) and len(value) > 1 and np.any(value[1]):
                self.undecided.append(f"{instruction.name} at {instruction.location}")

    def note_reads(self, instruction: Instruction, values: Sequence[Any]) -> None:
        """When tracing, remembers an instruction that computes with memory nobody wrote."""
        if self.trace_undefined and any(self.domain.undefined_elements(value) is not None for value in values):
            self.undefined_reads.append(instruction)


def _functions_by_name(module: Any) -> dict[str, Any]:
    """All functions, those of nested modules too; where a name repeats, one with a body wins over a
    declaration.
    """
    found: dict[str, Any] = {}
    for op in walk(module.operation):
        if op.name == "func.func" and (symbol_name(op) not in found or len(list(op.regions[0].blocks))):
            found[symbol_name(op)] = op
    return found
