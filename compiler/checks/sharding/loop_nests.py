"""Reads a linalg operation as a loop nest in normal form, and its results as parts of what the nest computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.sharding.expressions import Expression, Expressions, Value, is_empty
from stratagem.compiler.checks.sharding.layouts import Factor, Factors, Terms, added, bound_by, extent, merged, refined
from stratagem.compiler.checks.sharding.linalg_maps import Maps
from stratagem.compiler.checks.sharding.nests import Axis, Nest, Place, Solid, Window, factor_at, normal_axes
from stratagem.compiler.checks.sharding.sizes import ONE, Size

COMBINERS = {
    **dict.fromkeys(("arith.addf", "arith.addi"), "sum"),
    **dict.fromkeys(("arith.mulf", "arith.muli"), "prod"),
    **dict.fromkeys(("arith.maximumf", "arith.maxnumf", "arith.maxsi"), "max"),
    **dict.fromkeys(("arith.minimumf", "arith.minnumf", "arith.minsi"), "min"),
}
"""The operation that a body folds with -> the reduction that collectives know it by."""


@dataclass
class NestReader:
    """One linalg operation whose operands are known.

    Attributes:
        symbols: what stands for the elements of the operands in `yields`, the body's results, and in `asserted`.
        counted: loops whose number the body reads.
    """

    table: Expressions
    op: Any
    maps: Maps
    operands: Sequence[Value]
    symbols: Sequence[Expression]
    yields: Sequence[Value]
    asserted: tuple[Expression, ...]
    counted: frozenset[int]
    effects: list[Expression] = field(default_factory=list)
    """What it asserts: on all ranks together, for every element."""
    axes: list[Axis] = field(default_factory=list)
    at: dict[int, list[int]] = field(default_factory=dict)
    """Loop -> its axes, outermost first; none for solid loops."""

    def results(self) -> list[Value] | None:
        """What the operation computes; None for loops over nothing, whose sizes say nothing."""
        if any(is_empty(v) for v in self.operands):
            return None
        self.inputs = len(self.operands) - len(self.op.results)
        block = self.op.regions[0].blocks[0]
        self.used = [i for i, a in enumerate(block.arguments) if any(True for _ in a.uses)]
        self._find_axes()
        if not self._find_ranks():
            return None
        if self.asserted:
            nest, _ = self._nest(block)
            self.effects.append(
                self.table.make(("asserted", nest._replace(yields=self.asserted, reduction="")), self.op)
            )
        simple = [self._simple(number, value) for number, value in enumerate(self.yields)]
        if all(s is not None for s in simple):
            return [s for s in simple if s is not None]
        nest, places = self._nest(block)
        bound = bound_by([factor_at(nest, self.axes[i].size, places[i]) for i in self.on_ranks])
        node = self.table.make(("nest", nest), self.op)
        expressions = self.table.results(node, self.op)
        made = [
            self._value(nest, e, places, dims, bound) for e, dims in zip(expressions, self.maps.results, strict=True)
        ]
        return [one if one is not None else two for one, two in zip(simple, made, strict=True)]

    # ---- loops

    def _find_axes(self) -> None:
        """Divides every loop that is not solid so that it counts through each operand's factors."""
        solid = set(self.counted | self.maps.windowed)
        for loop in range(self.maps.loops):
            if loop in solid:
                continue
            places = [(i, d) for i, d in self.maps.places[loop] if i in self.used]
            moving = [(i, d) for i, d in places if any(f.terms for f in self.operands[i].dims[d])]
            if moving:
                parts = refined([self.operands[i].dims[d] for i, d in moving])
            else:
                parts = [(self._extent(loop), ())]
            if parts is None:
                self.table.unaligned |= {(self.operands[i].expression, self.operands[i].dims[d]) for i, d in moving}
                solid.add(loop)
                continue
            self.at[loop] = list(range(len(self.axes), len(self.axes) + len(parts)))
            for size, terms in parts:
                self.axes.append(Axis(size, self._is_folded(loop), self._terms(moving, terms)))
        self.solid = sorted(solid)

    def _find_ranks(self) -> bool:
        """The axes that the rank counts through, behind the others; False where operands do not agree on any."""
        moving = [(i, 0) for i in self.used if self.operands[i].bound]
        parts = refined([self.operands[i].bound for i, _ in moving])
        if parts is None:
            self.table.unaligned |= {(self.operands[i].expression, self.operands[i].bound) for i, _ in moving}
            return False
        self.on_ranks = range(len(self.axes), len(self.axes) + len(parts))
        self.axes += [Axis(size, False, self._terms(moving, terms)) for size, terms in parts]
        return True

    def _is_folded(self, loop: int) -> bool:
        return loop not in self.maps.results[0]

    def _extent(self, loop: int) -> Size:
        operand, dim = self.maps.places[loop][0]  # every loop indexes some dimension: MLIR sees to that
        return extent(self.operands[operand].dims[dim])

    def _terms(self, moving: list[tuple[int, int]], terms: tuple[Terms, ...]) -> tuple[Terms, ...]:
        """For each argument, how the count moves through it."""
        found: dict[int, Terms] = {}
        for (i, _), one in zip(moving, terms, strict=True):
            found[i] = added(found.get(i, ()), one)
        return tuple(found.get(i, ()) for i in self.used)

    # ---- results that are no computation

    def _simple(self, number: int, value: Value) -> Value | None:
        """A result that only arranges an operand's elements, or repeats one number."""
        if any(self._is_folded(loop) for loop in range(self.maps.loops)):
            return None
        if not self.used and not self.counted:
            return self._arranged(number, value, None)
        argument = next((i for i in self.used if self.symbols[i] is value.expression), None)
        if argument is None or self._windows(argument):
            return None
        return self._arranged(number, self.operands[argument], self.used.index(argument))

    def _arranged(self, number: int, source: Value, argument: int | None) -> Value:
        dims = []
        for loop in self.maps.results[number]:
            if loop is None:
                factors = []
            elif loop in self.at:
                axes = [self.axes[i] for i in self.at[loop]]
                factors = [Factor(a.size, a.terms[argument] if argument is not None else ()) for a in axes]
            else:
                factors = [Factor(self._extent(loop))]
            dims.append(merged(factors))
        return Value(source.expression, tuple(dims), source.bound)

    # ---- results that are

    def _nest(self, block: Any) -> tuple[Nest, list[Place | None]]:
        reduction, init = self._fold(block)
        axes, places = normal_axes(self.axes, reduction)
        solids = tuple(Solid(loop, self._is_folded(loop), self._extent(loop)) for loop in self.solid)
        solids = tuple(sorted(solids, key=lambda s: (s.is_folded, s.loop)))
        arguments = tuple((i, self.operands[i].expression) for i in self.used)
        windows = tuple(self._windows(i) for i in self.used)
        yields = tuple(v.expression for v in self.yields)
        return Nest(yields, arguments, axes, solids, windows, reduction, init), places

    def _windows(self, argument: int) -> tuple[Window, ...]:
        """How the solid loops move through an operand."""
        found = list[Window]()
        dims, texts = self.maps.dims[argument], self.maps.texts[argument]
        for factors, loop, text in zip(self.operands[argument].dims, dims, texts, strict=True):
            if loop is not None and loop in self.at:
                continue
            inner = ONE
            for factor in reversed(factors):
                found += [Window(dim, stride, text, inner, factor.size) for dim, stride in factor.terms]
                inner = inner.times(factor.size)
        return tuple(sorted(found))

    def _fold(self, block: Any) -> tuple[str, int]:
        """The reduction that the body is, and which argument it folds into."""
        if len(self.op.results) != 1 or self.inputs not in self.used:
            return "", 0
        accumulator = block.arguments[self.inputs]
        last = list(block.operations)[-1].operation.operands[0].owner
        users = [use.owner for use in accumulator.uses]
        if isinstance(last, ir.Block) or len(users) != 1 or users[0].operation != last.operation:
            return "", 0
        return COMBINERS.get(last.operation.name, ""), self.used.index(self.inputs)

    def _value(
        self,
        nest: Nest,
        expression: Expression,
        places: list[Place | None],
        dims: tuple[int | None, ...],
        bound: Factors,
    ) -> Value:
        whole = [s.loop for s in nest.solids if not s.is_folded]
        found = []
        for loop in dims:
            if loop is None:
                factors = []
            elif loop in self.at:
                factors = [factor_at(nest, self.axes[i].size, places[i]) for i in self.at[loop]]
            else:
                factors = [Factor(self._extent(loop), ((whole.index(loop), ONE),))]
            found.append(merged(factors))
        return Value(expression, tuple(found), bound)
