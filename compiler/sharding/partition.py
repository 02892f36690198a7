"""Rewrites one program into what each rank of a mesh axis runs, in place, one operation at a time.

Going down the program, every operation is cut along the loop that costs least given where its operands already are;
collectives appear where a placement must change. Results of @main are made whole, so every rank returns all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import walk
from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.sharding.placements import REPLICATED, Partial, Placement, Sharded, collapse, expand
from stratagem.compiler.sharding.rewrite import Builder, local_type, shape_of
from stratagem.compiler.sharding.rules import Cut, Prices, cheapest, cuts
from stratagem.compiler.sharding.structure import Structure, structure_of

FLEXIBLE = ("tensor.empty", "linalg.fill", "arith.constant")


@dataclass
class Partitioner:
    """State of one rewrite.

    Attributes:
        free: parameters (arguments) that no operation has fixed yet; any placement costs nothing.
        place: placement of each value seen so far; values made by FLEXIBLE operations are not in it.
        whole: the global shape of each value, as it was before the rewrite.
        keep_whole: parameters stay replicated (data parallelism).
    """

    axis: str
    ranks: int
    prices: Prices
    keep_whole: bool = False
    free: set[Any] = field(default_factory=set)
    place: dict[Any, Placement] = field(default_factory=dict)
    whole: dict[Any, list[int | None]] = field(default_factory=dict)
    shards: dict[int, Sharded] = field(default_factory=dict)
    seconds: float = 0.0

    def run(self, block: Any) -> None:
        """Rewrites the body of @main."""
        for argument in block.arguments:
            self._note(argument)
        self.builder = Builder(self.axis, self.ranks)
        for op in list(block.operations):
            operation = op.operation
            for result in operation.results:
                self._note(result)
            with operation.location, ir.InsertionPoint(operation):
                self._operation(operation)

    def _note(self, value: Any) -> None:
        if isinstance(value.type, ir.RankedTensorType):
            self.whole[value] = shape_of(value)

    def _operation(self, op: Any) -> None:
        if op.name in FLEXIBLE and all(self._is_flexible(v) for v in op.operands if v in self.whole):
            return
        structure = structure_of(op)
        if structure is not None and len(op.results) == 1:
            self._structured(op, structure)
        elif op.name in ("tensor.collapse_shape", "tensor.expand_shape", "tensor.cast"):
            self._reshape(op)
        else:
            self._whole(op)

    # ---- linalg

    def _structured(self, op: Any, structure: Structure) -> None:
        operands = list(op.operands)
        have = [self._present(v) for v in operands]
        extents = self._extents(structure, operands)
        options = [c for c in cuts(structure, extents, have, self.ranks) if self._is_legal(c, op, structure)]
        best = cheapest(options, lambda cut: self._cost(cut, operands, structure, extents))
        self.seconds += self._cost(best, operands, structure, extents)
        for i, (value, want) in enumerate(zip(operands, best.operands, strict=True)):
            if value in self.whole:
                op.operands[i] = self._ensure(value, want)
        self._set(op.results[0], best.result)

    def _present(self, value: Any) -> Placement | None:
        """Where a value is; None when it can be anywhere for free."""
        if value not in self.whole or self._is_flexible(value) or (value in self.free and not self.keep_whole):
            return None
        return self.place.get(value, REPLICATED)

    def _extents(self, structure: Structure, operands: list[Any]) -> list[int | None]:
        extents: list[int | None] = [None] * structure.loops
        for value, dims in zip(operands, structure.dims_of, strict=True):
            for d, loop in enumerate(dims):
                if loop is not None and value in self.whole:
                    extents[loop] = self.whole[value][d]
        return extents

    def _is_legal(self, cut: Cut, op: Any, structure: Structure) -> bool:
        """A cut sum must start from zero, or every rank would add the initial value once."""
        if not isinstance(cut.result, Partial):
            return True
        initial = op.operands[structure.inputs]
        return cut.result.reduction != "sum" or _is_zero(initial)

    def _cost(self, cut: Cut, operands: list[Any], structure: Structure, extents: list[int | None]) -> float:
        work = 1.0
        for extent in extents:
            work *= extent or 1
        seconds = work * self.prices.operation / (1 if cut.loop is None else self.ranks)
        for value, want in zip(operands, cut.operands, strict=True):
            if value in self.whole:
                seconds += self.prices.reshard(self._present(value), want, self._bytes(value), self.ranks)
        return seconds

    def _bytes(self, value: Any) -> float:
        element = ir.RankedTensorType(value.type).element_type
        size = 8.0 if isinstance(element, ir.IndexType) else max(1.0, element.width / 8)
        for n in self.whole[value]:
            size *= n or 1
        return size

    # ---- everything else

    def _reshape(self, op: Any) -> None:
        source = op.operands[0]
        if self._is_flexible(source):
            return
        have = self.place.get(source, REPLICATED)
        moved = self._through(op, have) if isinstance(have, Sharded) else None
        if isinstance(have, Partial) or moved is None:
            op.operands[0] = self._ensure(source, REPLICATED)
            return
        self._set(op.results[0], moved)
        if op.name == "tensor.expand_shape":
            op.attributes["static_output_shape"] = _static_sizes(op.results[0])

    def _through(self, op: Any, have: Sharded) -> Sharded | None:
        if op.name == "tensor.cast":
            return have
        groups = [
            [int(ir.IntegerAttr(i).value) for i in ir.ArrayAttr(g)]
            for g in ir.ArrayAttr(op.attributes["reassociation"])
        ]
        wide = self.whole[op.operands[0] if op.name == "tensor.collapse_shape" else op.results[0]]
        involved = next(g for g in groups if have.dim in g) if op.name == "tensor.collapse_shape" else groups[have.dim]
        if any(wide[i] is None for i in involved):
            return None
        shape = [n or 0 for n in wide]
        if op.name == "tensor.collapse_shape":
            return collapse(have, groups, shape)
        return expand(have, groups, shape, self.ranks)

    def _whole(self, op: Any) -> None:
        """Operations without a rule work on whole tensors, on every rank alike."""
        for i, value in enumerate(op.operands):
            if value in self.whole:
                op.operands[i] = self._ensure(value, REPLICATED)
        for inner in walk(op):
            for i, value in enumerate(inner.operands):
                if value in self.whole:
                    inner.operands[i] = self._ensure(value, REPLICATED)

    # ---- placements

    def _is_flexible(self, value: Any) -> bool:
        owner = value.owner
        if isinstance(owner, ir.Block) or owner.operation.name not in FLEXIBLE or value in self.place:
            return False
        if owner.operation.name != "arith.constant":
            return all(self._is_flexible(v) for v in owner.operation.operands if v in self.whole)
        constant = owner.operation.attributes["value"]
        return isinstance(constant, ir.DenseElementsAttr) and ir.DenseElementsAttr(constant).is_splat

    def _set(self, value: Any, placement: Placement) -> None:
        self.place[value] = placement
        value.set_type(local_type(value.type, placement, self.ranks))

    def _ensure(self, value: Any, want: Placement) -> Any:
        """The value in placement `want`, made by a collective or slice in front of the present operation if need be."""
        if self._is_flexible(value):
            return self._rebuild(value, want)
        if value in self.free:
            self.free.discard(value)
            if isinstance(want, Sharded) and want.outer == 1 and not self.keep_whole:
                self.shards[value.arg_number] = want
                self._set(value, want)
                return value
        have = self.place.get(value, REPLICATED)
        if have == want:
            return value
        made = self._reshard(value, have, want)
        self.whole[made], self.place[made] = self.whole[value], want
        return made

    @rests_on("reduced-then-gathered")
    def _reshard(self, value: Any, have: Placement, want: Placement) -> Any:
        if isinstance(have, Partial):
            if isinstance(want, Sharded):
                return self.builder.reduce_scatter(value, want, have.reduction)
            return self.builder.all_reduce(value, have.reduction)
        whole = self.builder.all_gather(value, have) if isinstance(have, Sharded) else value
        return self.builder.own_part(whole, want) if isinstance(want, Sharded) else whole

    def _rebuild(self, value: Any, want: Placement) -> Any:
        """A constant or empty tensor in the local shape: made again, not moved."""
        if not isinstance(want, Sharded):
            return value
        source = value.owner.operation
        kind = local_type(value.type, want, self.ranks)
        if source.name == "arith.constant":
            splat = ir.DenseElementsAttr(source.attributes["value"]).get_splat_value()
            attributes = {"value": ir.DenseElementsAttr.get_splat(kind, splat)}
            return ir.Operation.create("arith.constant", results=[kind], attributes=attributes).result
        if source.name == "tensor.empty":
            return ir.Operation.create("tensor.empty", results=[kind], operands=list(source.operands)).result
        empty = self._rebuild(source.operands[1], want)
        copy = source.clone()
        copy.operands[1] = empty
        copy.results[0].set_type(kind)
        return copy.results[0]


def _static_sizes(value: Any) -> Any:
    dynamic = ir.ShapedType.get_dynamic_size()
    return ir.DenseI64ArrayAttr.get([dynamic if n is None else n for n in shape_of(value)])


def _is_zero(value: Any) -> bool:
    """Whether a tensor is a `linalg.fill` of zero, or a constant of zeros."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return False
    if owner.operation.name == "linalg.fill":
        return _is_zero(owner.operation.operands[0])
    if owner.operation.name != "arith.constant":
        return False
    constant = owner.operation.attributes["value"]
    if isinstance(constant, ir.DenseElementsAttr):
        dense = ir.DenseElementsAttr(constant)
        constant = dense.get_splat_value() if dense.is_splat else None
    return isinstance(constant, ir.FloatAttr | ir.IntegerAttr) and constant.value == 0
