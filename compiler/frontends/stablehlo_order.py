"""The order that a comparator of stablehlo.sort stands for, read while it is StableHLO: by which keys, and how each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

_PREDICATES = {"f": ("ole", "oge"), "s": ("sle", "sge"), "u": ("ule", "uge")}
_PARTS = {"stablehlo.real": "real", "stablehlo.imag": "imag"}


@dataclass(frozen=True)
class Key:
    """Sorted by operand `operand`, or the `part` (real, imag) of its complex elements, by an arith predicate that holds
    where the first may stay before the second.

    `mode` tells how floats compare: `plain`; `total`, the IEEE total order, in which NaNs and signed zeros have their
    places; or `canonical`, the same after making all zeros and all NaNs alike (what JAX sorts by).
    """

    operand: int
    predicate: str
    mode: str = "plain"
    part: str = ""


def read_keys(sort: Any) -> list[Key] | None:
    """The keys of a comparator, the most significant first; None when it is not a lexicographic order of operands.

    A lexicographic order is `a < b or (a == b and rest)`, however it is nested; JAX compares after making zeros and
    NaNs alike, which is seen through.
    """
    block = sort.regions[0].blocks[0]
    end = list(block.operations)[-1].operation
    return _lexicographic(end.operands[0], block)


def _lexicographic(value: Any, block: Any) -> list[Key] | None:
    op = _owner(value)
    if op is None:
        return None
    if op.name == "stablehlo.compare":
        key = _key(op, block)
        return None if key is None else [key]
    if op.name != "stablehlo.or":
        return None
    for first, then in (op.operands, reversed(list(op.operands))):
        compared, both = _owner(first), _owner(then)
        if compared is None or both is None or compared.name != "stablehlo.compare" or both.name != "stablehlo.and":
            continue
        key, rest = _key(compared, block), _rest(both, compared, block)
        if key is not None and rest is not None:
            return [key, *rest]
    return None


def _rest(both: Any, compared: Any, block: Any) -> list[Key] | None:
    """What orders elements that `compared` finds equal, from `equal and rest`."""
    for equal, rest in (both.operands, reversed(list(both.operands))):
        test = _owner(equal)
        if test is None or test.name != "stablehlo.compare" or _direction(test) != "EQ":
            continue
        if {_source(v, block) for v in test.operands} == {_source(v, block) for v in compared.operands}:
            return _lexicographic(rest, block)
    return None


def _key(compare: Any, block: Any) -> Key | None:
    left, right = (_source(value, block) for value in compare.operands)
    if left is None or right is None or left[0] // 2 != right[0] // 2 or left == right or left[1] != right[1]:
        return None
    direction = _direction(compare)
    if direction not in ("LT", "LE", "GT", "GE"):
        return None
    descending = (direction[0] == "G") != (left[0] > right[0])
    kind = str(ir.RankedTensorType(compare.operands[0].type).element_type)
    family = "u" if kind.startswith("ui") or kind == "i1" else "s" if kind.startswith("i") else "f"
    operand, part = left[0] // 2, left[1]
    if family == "f" and "TOTALORDER" in str(compare.attributes.get("compare_type")):
        is_direct = not _passes_selects(compare.operands[0])
        return Key(operand, _PREDICATES["s"][descending], "total" if is_direct else "canonical", part)
    return Key(operand, _PREDICATES[family][descending], part=part)


def _direction(compare: Any) -> str:
    return str(compare.attributes["comparison_direction"]).rstrip(">").split()[-1]


def _source(value: Any, block: Any) -> tuple[int, str] | None:
    """The block argument a compared value comes from, through `select(is special, constant, x)`, and which part."""
    part = ""
    while True:
        for i, argument in enumerate(block.arguments):
            if argument == value:
                return i, part
        owner = _owner(value)
        if owner is not None and owner.name in _PARTS and not part:
            part, value = _PARTS[owner.name], owner.operands[0]
        elif owner is not None and owner.name == "stablehlo.select" and _is_special(owner):
            value = owner.operands[2]
        else:
            return None


def _passes_selects(value: Any) -> bool:
    owner = _owner(value)
    return owner is not None and owner.name == "stablehlo.select"


def _is_special(select: Any) -> bool:
    """Whether a select replaces single values: zeros of either sign, or NaNs (x != x), by a constant."""
    test, constant = _owner(select.operands[0]), _owner(select.operands[1])
    if test is None or test.name != "stablehlo.compare":
        return False
    return _direction(test) in ("EQ", "NE") and (constant is None or constant.name == "stablehlo.constant")


def _owner(value: Any) -> Any | None:
    owner = value.owner
    return owner.operation if isinstance(owner, ir.Operation | ir.OpView) else None
