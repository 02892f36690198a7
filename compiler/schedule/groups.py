"""Partitions a block's ops into kernels.

Ops are visited in program order and join the group of a producer when one tiling fits all of them and no value would
have to leave the group and come back (groups stay convex). Nothing is ever computed twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from stratagem.compiler.levels.tensor import picks_a_tensor
from stratagem.compiler.schedule.dims import OpLoops
from stratagem.compiler.schedule.frames import is_frame, makes_frame_only
from stratagem.compiler.schedule.fusion import may_share_kernel
from stratagem.compiler.schedule.structured import is_contraction, is_fill, is_generic, owner, reads

MAX_OPS = 48
"""Most ops of one kernel; keeps compile time per kernel bounded."""

MAIN_OPS = frozenset(
    [
        "func.call",
        "func.return",
        "tensor.empty",
        "tensor.dim",
        "tensor.cast",
        "tensor.collapse_shape",
        "tensor.expand_shape",
        "tensor.extract_slice",
        "tensor.extract",
        "tensor.from_elements",
        "scf.if",
        "scf.for",
        "scf.while",
        "scf.yield",
        "scf.condition",
        "cf.assert",
        "affine.apply",
        "affine.min",
        "affine.max",
    ]
)
"""What stays in `@main` at the device level, besides arith, math and index ops on scalars and selections of tensors."""


def stays_in_main(op: Any) -> bool:
    """Whether an op is allowed outside kernels."""
    if op.name in MAIN_OPS or op.name == "arith.constant" or op.name.startswith("system."):
        return True
    if picks_a_tensor(op):
        return True
    return op.name.split(".")[0] in ("arith", "math", "index", "ub") and not _on_tensors(op)


def _on_tensors(op: Any) -> bool:
    return any("tensor<" in str(v.type) for v in [*op.operands, *op.results])


@dataclass
class Group:
    """Ops of one kernel, in program order; `fixed` groups take no more ops by themselves."""

    number: int
    ops: list[Any] = field(default_factory=list)
    kernel: bool = True
    fixed: bool = False
    sources: set[int] = field(default_factory=set)
    contracts: bool = False


@dataclass
class Partition:
    """The groups of one block. `ancestors[n]` is a bit set of the groups whose values group n needs, however
    far. `frames`: paddings join what makes their interior."""

    groups: dict[int, Group] = field(default_factory=dict)
    group_of: dict[Any, int] = field(default_factory=dict)
    ancestors: list[int] = field(default_factory=list)
    readings: dict[Any, OpLoops] = field(default_factory=dict)
    frames: bool = False

    def kernels(self) -> list[Group]:
        return [g for g in self.groups.values() if g.kernel]

    def add(self, op: Any, sources: set[int], kernel: bool) -> Group:
        group = Group(len(self.ancestors), [op], kernel, not is_generic(op), set(sources), is_contraction(op))
        self.groups[group.number] = group
        self.group_of[op] = group.number
        self.ancestors.append(self._closure(sources))
        return group

    def _closure(self, sources: Iterable[int]) -> int:
        bits = 0
        for n in sources:
            bits |= self.ancestors[n] | (1 << n)
        return bits

    def joins_cleanly(self, number: int, sources: Iterable[int]) -> bool:
        """Whether an op that reads `sources` may join group `number` without a path out of it and back."""
        return not any(self.ancestors[s] >> number & 1 for s in sources if s != number)

    def join(self, op: Any, number: int, sources: set[int]) -> None:
        group = self.groups[number]
        group.ops.append(op)
        group.contracts |= is_contraction(op)
        self.group_of[op] = number
        self._grow(number, sources - {number})

    def _grow(self, number: int, sources: set[int]) -> None:
        self.groups[number].sources |= sources
        added = self._closure(sources)
        self.ancestors[number] |= added
        for n in range(len(self.ancestors)):
            if self.ancestors[n] >> number & 1:
                self.ancestors[n] |= added

    def absorb(self, number: int, other: int) -> None:
        """Merges group `other` into group `number`."""
        gone, kept = self.groups.pop(other), self.groups[number]
        kept.ops += gone.ops
        kept.contracts |= gone.contracts
        for op in gone.ops:
            self.group_of[op] = number
        for group in self.groups.values():
            if other in group.sources:
                group.sources = (group.sources - {other}) | {number}
        kept.sources -= {number, other}
        for n, bits in enumerate(self.ancestors):
            if bits >> other & 1:
                self.ancestors[n] |= 1 << number
        self._grow(number, gone.sources - {number, other})

    def merges_cleanly(self, one: int, other: int) -> bool:
        """Whether no path runs from one group through a third to the other."""
        for first, second in ((one, other), (other, one)):
            between = self.groups[second].sources - {first}
            if any(self.ancestors[s] >> first & 1 for s in between):
                return False
        return True


def partition(block: Any, seeds: dict[Any, int], frames: bool = False) -> Partition:
    """Groups the ops of `block`. `seeds` gives ops that must share a group the same number (attention)."""
    found = Partition(frames=frames)
    seeded: dict[int, int] = {}
    order = {}
    for position, view in enumerate(block.operations):
        op = view.operation
        order[op] = position
        if op.name in ("tensor.empty", "func.return", "scf.yield", "scf.condition") or is_cheap(op):
            continue
        _place(op, found, seeds, seeded)
    for group in found.groups.values():
        group.ops.sort(key=lambda op: order[op])
    return found


def is_cheap(op: Any) -> bool:
    """Ops that every kernel makes for itself: fills that only kernels read, constants."""
    if op.name == "arith.constant":
        return True
    return is_fill(op) and all(not stays_in_main(use.owner.operation) for use in op.results[0].uses)


def _place(op: Any, found: Partition, seeds: dict[Any, int], seeded: dict[int, int]) -> None:
    sources = {found.group_of[o] for v in reads(op) if (o := _made_by(v)) in found.group_of}
    if found.frames and is_frame(op) and _takes_frame(found, op, sources):
        framed = found.group_of[owner(op.operands[0])]
        found.join(op, framed, sources)
        found.groups[framed].fixed = True
        return
    if stays_in_main(op) or is_fill(op):
        found.add(op, sources, kernel=not stays_in_main(op)).fixed = True
        return
    if op in seeds:
        number = seeded.get(seeds[op])
        if number is not None:
            found.join(op, number, sources)
        else:
            seeded[seeds[op]] = found.add(op, sources, kernel=True).number
        return
    home = next((n for n in _by_preference(found, sources) if _accepts(found, n, op, sources)), None)
    if home is None:
        found.add(op, sources, kernel=True)
        return
    found.join(op, home, sources)
    for other in sorted(sources - {home}):
        if other in found.groups and _mergeable(found, home, other):
            found.absorb(home, other)


def _takes_frame(found: Partition, pad: Any, sources: set[int]) -> bool:
    """Whether the group that makes what is padded may write it into the padded tensor itself."""
    number = found.group_of.get(owner(pad.operands[0]))
    group = found.groups.get(number) if number is not None else None
    if number is None or group is None or not group.kernel or group.fixed or not found.joins_cleanly(number, sources):
        return False
    return makes_frame_only(group.ops, pad)


def _made_by(value: Any) -> Any:
    """The op behind a value, through fills and empties to what they overwrite."""
    return owner(value)


def _by_preference(found: Partition, sources: set[int]) -> list[int]:
    return sorted(sources, key=lambda n: (not found.groups[n].contracts, -n))


def _accepts(found: Partition, number: int, op: Any, sources: set[int]) -> bool:
    group = found.groups[number]
    if not group.kernel or group.fixed or not is_generic(op) or len(group.ops) >= MAX_OPS:
        return False
    if not found.joins_cleanly(number, sources):
        return False
    return may_share_kernel(group.ops, [op], found.readings)


def _mergeable(found: Partition, number: int, other: int) -> bool:
    one, two = found.groups[number], found.groups[other]
    if not two.kernel or two.fixed or (one.contracts and two.contracts) or len(one.ops) + len(two.ops) > MAX_OPS:
        return False
    return found.merges_cleanly(number, other) and may_share_kernel(two.ops, one.ops, found.readings)
