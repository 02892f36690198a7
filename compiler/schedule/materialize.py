"""Makes tiles on demand: asked for a region of a value, emits the ops that compute just that region.

Producers are followed back to *leaves* (arguments, slices, anything that is no structured op), which are sliced. The
same request is answered once per scope; scopes nest like the loops they stand for. Reductions are summed over chunks
where the plan says so: `scf.for` with the accumulator carried, operands requested inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, scf

from stratagem.compiler.schedule import index, region
from stratagem.compiler.schedule.clone import clone_tile
from stratagem.compiler.schedule.dims import KernelDims
from stratagem.compiler.schedule.extents import extent
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
    """One staging loop: `dim` in steps of `size`, for tiles that live in memory `level`; `copies` marks explicit DMA."""

    dim: int
    size: int
    level: str
    copies: bool = False


@dataclass
class Materializer:
    """Emits tiles at the current insertion point.

    `leaves` replaces values (a destination by the loop's view of it); `stages` are the staging loops, outermost first.
    """

    dims: KernelDims
    leaves: dict[Any, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    parent: Materializer | None = None
    made: dict[Any, Any] = field(default_factory=dict)
    held: dict[Any, tuple[Any, Region]] = field(default_factory=dict)

    def tile(self, value: Any, part: Region) -> Any:
        """The `part` of `value`, as a tensor of that size."""
        if value in self.held:
            whole, base = self.held[value]
            return region.extract(whole, _relative(part, base))
        op = owner(value)
        if op is not None and is_generic(op) and value not in self.leaves:
            results = self.tile_op(op, self._loops_from_result(op, value, part))
            return results[next(i for i, r in enumerate(op.results) if r == value)]
        found = self._known((value, part))
        if found is None:
            found = self.made[(value, part)] = self._simple(op, value, part)
        return found

    def _simple(self, op: Any | None, value: Any, part: Region) -> Any:
        if value in self.leaves:
            return self._staged_slice(self.leaves[value], part)
        if op is not None and op.name == "tensor.empty":
            return region.empty(value, part)
        if op is not None and is_fill(op):
            target = self.tile(op.operands[1], part)
            return clone_tile(op, [op.operands[0], target], [region.tile_type(value, part)]).results[0]
        return self._staged_slice(value, part)

    def _staged_slice(self, value: Any, part: Region) -> Any:
        result = region.extract(value, part)
        copied = next((s.level for s in reversed(self.stages) if s.copies), None)
        if copied and result != value:
            result.owner.attributes["device.stage"] = ir.StringAttr.get(copied)
        return result

    def _known(self, key: Any) -> Any | None:
        scope: Materializer | None = self
        while scope is not None:
            if key in scope.made:
                return scope.made[key]
            scope = scope.parent
        return None

    def tile_op(self, op: Any, loops: list[Range]) -> list[Any]:
        """The results of `op` for iterations `loops`, staged where the plan says so."""
        key = (op, tuple(loops))
        found: list[Any] | None = self._known(key)
        if found is None:
            chosen = self._stages_of(op, loops)
            found = self._staged(op, loops, chosen) if chosen else self._plain(op, loops)
            self.made[key] = found
        return found

    def _plain(self, op: Any, loops: list[Range], carried: list[Any] | None = None) -> list[Any]:
        known = self.dims.loops[op]
        count = input_count(op)
        operands, kinds, local = [], [], []
        for i, (value, access) in enumerate(zip(op.operands, known.accesses, strict=True)):
            if not is_tensor(value):
                operands.append(value)
                local.append(access)
                continue
            part = region.read_region(value, access, loops)
            given = carried[i - count] if carried is not None and i >= count else None
            operands.append(given if given is not None else self.tile(value, part))
            local.append(region.local_access(access, loops))
            if i >= count:
                kinds.append(region.tile_type(value, part))
        copy = clone_tile(op, operands, kinds)
        if local != known.accesses:
            _set_maps(copy, local, len(loops))
        _shift_indices(copy, loops)
        return list(copy.results)

    def _loops_from_result(self, op: Any, value: Any, part: Region) -> list[Range]:
        position = next(i for i, r in enumerate(op.results) if r == value)
        known = self.dims.loops[op]
        loops: list[Range | None] = [None] * len(known.iterators)
        for r, result in zip(part, known.accesses[input_count(op) + position], strict=True):
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

    # ---- staging

    def _stages_of(self, op: Any, loops: list[Range]) -> list[tuple[Stage, int]]:
        """The staging loops that this op's reductions need, with the loop each one cuts."""
        known = self.dims.loops[op]
        reducing = self.dims.reductions(op)
        found = []
        for stage in self.stages:
            loop = next((i for i in reducing if known.dims[i] == stage.dim), None)
            if loop is not None and loops[loop].size != stage.size:
                found.append((stage, loop))
        return found

    def _staged(self, op: Any, loops: list[Range], chosen: list[tuple[Stage, int]]) -> list[Any]:
        """`for` loops around `op`, accumulators carried; what the kernel itself makes is computed before them."""
        known, count = self.dims.loops[op], input_count(op)
        scope = Materializer(self.dims, dict(self.leaves), self.stages, self)
        for value, access in list(zip(op.operands, known.accesses, strict=True))[:count]:
            producer = owner(value)
            if is_tensor(value) and producer is not None and is_generic(producer) and value not in self.leaves:
                part = region.read_region(value, access, loops)
                scope.held[value] = (self.tile(value, part), part)
        start = []
        for value, access in list(zip(op.operands, known.accesses, strict=True))[count:]:
            start.append(self.tile(value, region.read_region(value, access, loops)))
        return _loop_nest(scope, op, loops, chosen, start)


def _loop_nest(
    scope: Materializer, op: Any, loops: list[Range], chosen: list[tuple[Stage, int]], carried: list[Any]
) -> list[Any]:
    if not chosen:
        return scope._plain(op, loops, carried)
    (stage, loop), rest = chosen[0], chosen[1:]
    around = loops[loop]
    bounds = [index.constant(0), index.as_value(around.size), index.constant(stage.size)]
    emitted = scf.ForOp(*bounds, carried)
    emitted.operation.attributes["device.level"] = ir.StringAttr.get(stage.level)
    with ir.InsertionPoint(emitted.body):
        start = emitted.induction_variable
        inner = list(loops)
        inner[loop] = Range(index.add(around.offset, start), index.clamp(stage.size, around.size, start))
        scf.YieldOp(_loop_nest(scope, op, inner, rest, list(emitted.inner_iter_args)))
    return list(emitted.results)


def _relative(part: Region, base: Region) -> Region:
    """`part` of a tensor, seen from the tile that is its region `base`."""
    relative = []
    for mine, held in zip(part, base, strict=True):
        same = (mine.offset, mine.size, mine.stride) == (held.offset, held.size, held.stride)
        relative.append(Range(0, mine.size, whole=True) if same else Range(mine.offset, mine.size, mine.stride))
    return tuple(relative)


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
