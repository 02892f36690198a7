"""What the kinds of mutations share: an edit, the registry, and small changes of IR objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import walk
from stratagem.compiler.program import Program


@dataclass(frozen=True)
class Edit:
    """One way to break a program.

    Attributes:
        what: in words, with the operation.
        apply: changes the program; may leave IR that MLIR's verifier refuses, which then is no mutant.
        breaks: the rule of execution that it breaks whatever the results are; empty where only results tell.
    """

    what: str
    apply: Callable[[], None]
    breaks: str = ""


Kind = Callable[[Program], Iterator[Edit]]
KINDS: dict[str, Kind] = {}


def kind(name: str) -> Callable[[Kind], Kind]:
    """Registers a kind of mutation."""

    def register(function: Kind) -> Kind:
        KINDS[name] = function
        return function

    return register


def edits_of(name: str, program: Program) -> list[Edit]:
    """All edits of one kind, in the order of the program."""
    with program.module.context, ir.Location.unknown():
        return list(KINDS[name](program))


def operations(program: Program, *names: str) -> list[Any]:
    """All operations, or those of these names, in order."""
    return [op for op in walk(program.module.operation) if not names or op.name in names]


def setting(op: Any, key: str, value: Any) -> Callable[[], None]:
    def apply() -> None:
        op.attributes[key] = value

    return apply


def replacing_operand(op: Any, number: int, make: Callable[[], Any]) -> Callable[[], None]:
    """Sets an operand to a value that `make` builds in front of the operation."""

    def apply() -> None:
        with ir.InsertionPoint(op):
            value = make()
        op.operands[number] = value

    return apply


def bypassing(op: Any, number: int, value: Any) -> Callable[[], None]:
    """Whoever reads result `number` reads `value` instead; the operation goes if nothing else needs it."""

    def apply() -> None:
        op.results[number].replace_all_uses_with(value)
        if not any(list(r.uses) for r in op.results):
            op.erase()

    return apply


def renaming(op: Any, name: str, attributes: dict[str, Any] | None = None) -> Callable[[], None]:
    """Puts another operation, of the same operands and results, in its place."""

    def apply() -> None:
        entries = {key: op.attributes[key] for key in op.attributes} if attributes is None else attributes
        with ir.InsertionPoint(op):
            made = ir.Operation.create(
                name, results=[r.type for r in op.results], operands=list(op.operands), attributes=entries
            )
        for old, new in zip(op.results, made.results, strict=True):
            old.replace_all_uses_with(new)
        op.erase()

    return apply


def constant(kind_: Any, value: Any) -> Any:
    """A new arith.constant at the insertion point; `value`: number, for scalars of integers, index and floats."""
    attribute = (
        ir.FloatAttr.get(kind_, float(value)) if isinstance(kind_, ir.FloatType) else ir.IntegerAttr.get(kind_, value)
    )
    return ir.Operation.create("arith.constant", results=[kind_], attributes={"value": attribute}).result


def constant_value(value: Any) -> int | float | None:
    """The number of a scalar constant, None for other values."""
    if isinstance(value.owner, ir.Block) or value.owner.operation.name != "arith.constant":
        return None
    attribute = value.owner.operation.attributes["value"].maybe_downcast()
    if isinstance(attribute, ir.IntegerAttr | ir.FloatAttr):
        number: int | float = attribute.value
        return number
    return None


def visible(op: Any) -> Iterator[Any]:
    """Values that an operation may use: arguments of the blocks around it, and results before it, nearest first."""
    current = op
    while current.parent is not None and current.name != "builtin.module":
        before = []
        for other in current.block.operations:
            if other.operation == current:
                break
            before += list(other.operation.results)
        yield from reversed(before)
        yield from current.block.arguments
        current = current.parent.operation
        if current.name == "func.func":
            return


def others(op: Any, value: Any, limit: int = 3) -> list[Any]:
    """Other values of the type of `value` that `op` may use, nearest first."""
    found = [v for v in visible(op) if v.type == value.type and v != value]
    return found[:limit]


def shifted_numbers(attribute: Any, by: Sequence[int] = (-1, 1)) -> list[Any]:
    """The attribute with one of the numbers in its text changed (names of dimensions are no numbers)."""
    text = str(attribute)
    made = []
    for found in re.finditer(r"(?<![\w.])\d+(?![\w.])", text):
        for step in by:
            number = int(found[0]) + step
            if number >= 0:
                made.append(f"{text[: found.start()]}{number}{text[found.end() :]}")
    return [parsed for parsed in map(_parsed, made) if parsed is not None]


def _parsed(text: str) -> Any | None:
    try:
        return ir.Attribute.parse(text)
    except ir.MLIRError:
        return None
