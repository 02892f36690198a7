"""Makes tiles on demand: asked for a region of a value, emits the ops that compute just that region.

Producers are followed back to *leaves* (arguments, slices, anything that is no structured op), which are sliced. The
same request is answered once per scope; scopes nest like the loops they stand for. Where the plan stages a dimension,
`staging` puts an `scf.for` over chunks around the op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.schedule import index, region
from stratagem.compiler.schedule.clone import clone_tile
from stratagem.compiler.schedule.dims import KernelDims
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.frames import shifted
from stratagem.compiler.schedule.region import Range, Region
from stratagem.compiler.schedule.structured import (
    Access,
    affine_map,
    body_ops,
    input_count,
    is_fill,
    is_generic,
    is_tensor,
    owner,
)


@dataclass(frozen=True)
class Stage:
    """One staging loop: dimension `dim` in steps of `size`, for tiles that live in memory `level`."""

    dim: int
    size: int
    level: str


@dataclass
class Materializer:
    """Emits tiles at the current insertion point.

    Attributes:
        leaves: replacements of values: a destination by the loop's view of it.
        stages: the staging loops, outermost first.
        copied_to: the memory into which slices are copied explicitly; None where memory is addressed
        directly.
        offsets: where in its leaf a value begins, for those that do not begin at 0.
        made: answers given in this scope. held: values computed before a loop, and the region that they are.
        clones: pairs of an op and its copy, for tiling the copies again.
    """

    dims: KernelDims
    leaves: dict[Any, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    copied_to: str | None = None
    offsets: Mapping[Any, tuple[int, ...]] = field(default_factory=dict)
    parent: Materializer | None = None
    made: dict[Any, Any] = field(default_factory=dict)
    held: dict[Any, tuple[Any, Region]] = field(default_factory=dict)
    clones: list[tuple[Any, Any]] = field(default_factory=list)

    def inner(self) -> Materializer:
        """A scope for the body of a loop that is being emitted."""
        return Materializer(
            self.dims,
            self.leaves,
            self.stages,
            self.copied_to,
            self.offsets,
            self,
            held=dict(self.held),
            clones=self.clones,
        )

    def tile(self, value: Any, part: Region) -> Any:
        """The `part` of `value`, as a tensor of that size."""
        if value in self.held:
            whole, base = self.held[value]
            return region.extract(whole, relative(part, base))
        op = owner(value)
        if op is not None and is_generic(op) and value not in self.leaves:
            results = self.tile_op(op, self._loops_from_result(op, value, part))
            return results[_position(op, value)]
        found = self._known((value, part))
        if found is None:
            found = self.made[(value, part)] = self._simple(op, value, part)
        return found

    def _simple(self, op: Any | None, value: Any, part: Region) -> Any:
        if value not in self.leaves and op is not None and op.name == "tensor.empty":
            return self._marked(region.empty(value, part))
        if value not in self.leaves and op is not None and is_fill(op):
            target = self.tile(op.operands[1], part)
            return clone_tile(op, [op.operands[0], target], [region.tile_type(value, part)]).results[0]
        source = self.leaves.get(value, value)
        result = region.extract(source, shifted(part, self.offsets[value]) if value in self.offsets else part)
        return result if result == source else self._marked(result)

    def _marked(self, value: Any) -> Any:
        if self.copied_to:
            value.owner.attributes["device.stage"] = ir.StringAttr.get(self.copied_to)
        return value

    def _known(self, key: Any) -> Any | None:
        scope: Materializer | None = self
        while scope is not None:
            if key in scope.made:
                return scope.made[key]
            scope = scope.parent
        return None

    def tile_op(self, op: Any, loops: list[Range]) -> list[Any]:
        """The results of `op` for iterations `loops`, staged where the plan says so."""
        from stratagem.compiler.schedule.staging import staged

        key = (op, tuple(loops))
        found: list[Any] | None = self._known(key)
        if found is None:
            found = staged(self, op, loops) or self.compute(op, loops)
            self.made[key] = found
        return found

    def compute(self, op: Any, loops: list[Range], carried: Sequence[Any] | None = None) -> list[Any]:
        """Emits `op` on tiles; `carried` replaces its inits (accumulators of a loop around it)."""
        known, count = self.dims.loops[op], input_count(op)
        operands, kinds, local = [], [], []
        for i, (value, access) in enumerate(zip(op.operands, known.accesses, strict=True)):
            if not is_tensor(value):
                operands.append(value)
                local.append(access)
                continue
            part = region.read_region(value, access, loops)
            operands.append(carried[i - count] if carried is not None and i >= count else self.tile(value, part))
            local.append(region.local_access(access, loops))
            if i >= count:
                kinds.append(region.tile_type(value, part))
        copy = clone_tile(op, operands, kinds)
        if local != known.accesses:
            _set_maps(copy, local, len(loops))
        _shift_indices(copy, loops)
        self.clones.append((op, copy))
        return list(copy.results)

    def _loops_from_result(self, op: Any, value: Any, part: Region) -> list[Range]:
        known = self.dims.loops[op]
        loops: list[Range | None] = [None] * len(known.iterators)
        for r, result in zip(part, known.accesses[input_count(op) + _position(op, value)], strict=True):
            if result is not None and result.loop is not None:
                loops[result.loop] = r
        return [r or Range(0, self.loop_extent(op, i), whole=True) for i, r in enumerate(loops)]

    def loop_extent(self, op: Any, loop: int) -> index.Index:
        """How often a loop runs, as an int or an index value."""
        known = self.dims.loops[op]
        if known.extents[loop] is not None:
            return known.extents[loop]
        for value, access in zip(op.operands, known.accesses, strict=True):
            for position, result in enumerate(access):
                if result is not None and result.loop == loop:
                    return extent(self.leaves.get(value, value), position)
        raise AssertionError(f"loop {loop} of {op.name} reads nothing")


def _position(op: Any, value: Any) -> int:
    return next(i for i, r in enumerate(op.results) if r == value)


def relative(part: Region, base: Region) -> Region:
    """`part` of a tensor, seen from the tile that is its region `base`."""
    found = []
    for mine, held in zip(part, base, strict=True):
        same = (mine.offset, mine.size, mine.stride) == (held.offset, held.size, held.stride)
        found.append(Range(0, mine.size, whole=True) if same else Range(mine.offset, mine.size, mine.stride))
    return tuple(found)


def _set_maps(op: Any, local: list[Access], loops: int) -> None:
    maps = [ir.AffineMapAttr.get(affine_map(access, loops)) for access in local]
    op.attributes["indexing_maps"] = ir.ArrayAttr.get(maps)


def _shift_indices(op: Any, loops: list[Range]) -> None:
    """Adds a tile's offset to every `linalg.index` in the body, so that the body sees whole-tensor indices."""
    for inner in body_ops(op):
        if inner.name != "linalg.index":
            continue
        offset = loops[int(ir.IntegerAttr(inner.attributes["dim"]).value)].offset
        if isinstance(offset, int) and offset == 0:
            continue
        with ir.InsertionPoint.after(inner):
            shifted = arith.AddIOp(inner.results[0], index.as_value(offset)).result
        inner.results[0].replace_all_uses_except(shifted, shifted.owner.operation)
