"""Values of `@main` that follow from parameters and constants alone, and which of them are worth storing.

Storing pays where an operation computes or moves elements that every run would compute or move again. Views, fills,
counters and copies that only repeat elements cost a kernel nothing, so those stay, and what lies behind them is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.interpreter.elements import element_of, storage
from stratagem.compiler.schedule.rebuild import is_copy
from stratagem.compiler.schedule.structured import is_generic, is_tensor, owner, reads
from stratagem.compiler.schedule.transposes import repeats

FACTOR = 4
"""How much larger than the parameters it takes the place of a stored value may be: 8-bit weights become f32."""
ROOM = 2**18
SHARE = 16
"""What stored values may add besides, all together: a 16th of the parameters' bytes, and at least `ROOM` bytes."""

COMPUTES = frozenset(["linalg", "tensor", "tm_tensor", "arith", "math", "affine", "index"])
"""Dialects whose operations depend on nothing but what they read."""
FREE = frozenset(
    [
        "tensor.empty", "tensor.expand_shape", "tensor.collapse_shape", "tensor.extract_slice", "tensor.cast",
        "tensor.splat", "linalg.fill", "linalg.broadcast", "arith.constant",
    ]
)  # fmt: skip


def values_to_store(main: Any, parameters: Mapping[Any, int]) -> list[Any]:
    """The tensor values of `@main` worth storing, each after those that it is computed from.

    `parameters`: the arguments whose data is at hand, with their bytes; any other argument is an input. A value is in
    the list if something that depends on inputs reads it, it costs more than a view, and the bytes allow it: see FACTOR
    and ROOM. A parameter that stays in use beside the value counts as added, so a tied weight is not stored twice.
    """
    known, wanted = _known_values(main, parameters)
    in_place = {v for value in wanted for v in _behind_free(value) if v in parameters}
    total = sum(parameters.values())
    budget = _Budget({v: FACTOR * n for v, n in parameters.items() if v not in in_place}, max(ROOM, total // SHARE))
    chosen: dict[Any, None] = {}
    seen = set()
    pending = list(reversed(wanted))
    while pending:
        value = pending.pop()
        op = owner(value)
        if op is None or value in seen:
            continue
        seen.add(value)
        if _can_be_parameter(value) and not is_free(op) and budget.takes(value, cone(value, chosen)):
            chosen[value] = None
            continue
        pending.extend(v for v in reversed(reads(op)) if v in known)
    return list(chosen)


@dataclass(frozen=True)
class Cone:
    """What a value is computed from: operations in an order in which they can run, and the values they start at."""

    ops: tuple[Any, ...]
    sources: tuple[Any, ...]


def cone(value: Any, given: Collection[Any] = ()) -> Cone:
    """The operations that make `value`, back to arguments and to the values in `given`."""
    ops: dict[Any, None] = {}
    sources: dict[Any, None] = {}
    pending = [(value, False)]
    while pending:
        current, ready = pending.pop()
        op = owner(current)
        if op is None or (current in given and current != value):
            sources[current] = None
        elif ready:
            ops[op] = None
        elif op not in ops:
            pending.append((current, True))
            pending.extend((v, False) for v in reversed(reads(op)))
    return Cone(tuple(ops), tuple(sources))


def is_free(op: Any) -> bool:
    """Whether an operation costs a kernel nothing: a view, a constant, a counter, or elements repeated."""
    if op.name in FREE or not any(is_tensor(v) for v in reads(op)):
        return True
    if not is_generic(op):
        return False
    makes_all = not any(is_tensor(v) and not _is_empty(v) for v in reads(op))
    return makes_all or (is_copy(op) and is_tensor(op.operands[0]) and repeats(op))


def host_operations(block: Any) -> Iterator[Any]:
    """The operations of a block and of the control flow in it, in order, without the bodies of computations."""
    for view in block.operations:
        op = view.operation
        yield op
        if op.name.startswith("scf."):
            for region in op.regions:
                for inner in region.blocks:
                    yield from host_operations(inner)


def nbytes(value: Any) -> int:
    """Bytes of a tensor value of static shape."""
    count = int(storage(element_of(value.type)).itemsize)
    for i in range(value.type.rank):
        count *= value.type.get_dim_size(i)
    return count


def _known_values(main: Any, parameters: Collection[Any]) -> tuple[set[Any], list[Any]]:
    """All values without a trace of inputs, and those of them that something with a trace of inputs reads."""
    known = set(parameters)
    wanted: dict[Any, None] = {}
    for op in host_operations(main.regions[0].blocks[0]):
        needed = list(op.operands) if op.name.startswith("scf.") else reads(op)
        if _only_computes(op) and all(v in known for v in needed):
            known |= set(op.results)
        elif op.name != "func.return":
            wanted.update({v: None for v in needed if v in known})
    return known, list(wanted)


def _only_computes(op: Any) -> bool:
    static = all(not isinstance(r.type, ir.ShapedType) or r.type.has_static_shape for r in op.results)
    return static and len(op.results) > 0 and op.name.split(".")[0] in COMPUTES


def _behind_free(value: Any) -> Iterator[Any]:
    """`value` and what it shows through operations that are free."""
    pending = [value]
    while pending:
        current = pending.pop()
        yield current
        op = owner(current)
        if op is not None and is_free(op):
            pending.extend(reads(op))


def _can_be_parameter(value: Any) -> bool:
    return is_tensor(value) and element_of(value.type) != "index"


def _is_empty(value: Any) -> bool:
    op = owner(value)
    return op is not None and op.name == "tensor.empty"


@dataclass
class _Budget:
    """Bytes that may still be stored: in place of each parameter that goes, and besides."""

    replaced: dict[Any, int]
    room: int

    def takes(self, value: Any, made_by: Cone) -> bool:
        """Whether `value` fits, and nothing on the way to it is larger than what fits; pays for it if so."""
        paying = [v for v in made_by.sources if v in self.replaced]
        fits = sum(self.replaced[v] for v in paying) + self.room
        on_the_way = [r for op in made_by.ops if not is_free(op) for r in op.results if is_tensor(r)]
        if any(nbytes(v) > fits for v in on_the_way):
            return False
        owed = nbytes(value)
        for v in paying:
            paid = min(owed, self.replaced[v])
            self.replaced[v] -= paid
            owed -= paid
        self.room -= owed
        return True
