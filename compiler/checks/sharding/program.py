"""Reads a program as expressions on whole tensors: the uncut one, or what each rank of a mesh axis runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch_mlir import ir

from stratagem.compiler.checks.sharding.expressions import Expression, Expressions, Value, whole_dim
from stratagem.compiler.checks.sharding.layouts import extent
from stratagem.compiler.checks.sharding.linalg_maps import Maps, maps_of
from stratagem.compiler.checks.sharding.loop_nests import NestReader
from stratagem.compiler.checks.sharding.operations import RULES
from stratagem.compiler.checks.sharding.sizes import ONE, Size
from stratagem.compiler.sharding.structure import indexing_maps, is_loop_nest


class MisplacedError(Exception):
    """An operation that needs the same values on every rank reads `operand`, which differs."""

    def __init__(self, op: Any, number: int, operand: Value) -> None:
        super().__init__(op.name)
        self.op, self.number, self.operand = op, number, operand


class CollectiveError(Exception):
    """Ranks meet over another axis than the one that the program is cut over, or give each other other shapes."""

    def __init__(self, op: Any, text: str) -> None:
        super().__init__(text)
        self.op = op


class UnreadableError(Exception):
    """The program holds what the check has no reading of."""


COMPUTED = ("nest", "op", "result", "reduced over ranks")


class Step(NamedTuple):
    """An operation that computes something new."""

    op: Any
    operands: list[Value]
    results: list[Value]


@dataclass
class Reader:
    """Reads one program, operation by operation.

    Attributes:
        axis, ranks: the mesh axis that it is cut over; one rank for the uncut program.
        effects: what its assertions compare, in order.
        counted: loops whose number the body that is being read asks for.
    """

    table: Expressions
    axis: str = ""
    ranks: Size = ONE
    values: dict[Any, Value] = field(default_factory=dict)
    effects: list[Expression] = field(default_factory=list)
    counted: set[int] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    depth: int = 0

    def program(self, main: Any, arguments: Sequence[Value]) -> list[Value]:
        """Reads @main on these arguments; its results.

        Raises UnreadableError, MisplacedError, CollectiveError.
        """
        block = self._only_block(main.regions[0])
        self.values.update(zip(block.arguments, arguments, strict=True))
        return self.block(block)

    def block(self, block: Any) -> list[Value]:
        """Reads all operations of a block; what its last one hands on."""
        *operations, last = (view.operation for view in block.operations)
        for op in operations:
            self._operation(op)
        return [self.values[v] for v in last.operands]

    def _operation(self, op: Any) -> None:
        operands = [self.values[v] for v in op.operands]
        rule = RULES.get(op.name)
        results = rule(self, op, operands) if rule else self._nest(op, operands) if is_loop_nest(op) else None
        if results is None:
            results = self.unknown(op, operands)
        for value, known in zip(op.results, results, strict=True):
            self.values[value] = self.table.viewed(known) if self.table.views else known
        if not self.depth and any(r.expression.key[0] in COMPUTED for r in results):
            self.steps.append(Step(op, operands, results))

    def unknown(self, op: Any, operands: list[Value]) -> list[Value]:
        """An operation without a rule: some function of its operands, its attributes and what its regions compute.
        Tensors must be the same on every rank; numbers may differ, and so do the results then."""
        has_tensors = any(isinstance(v.type, ir.RankedTensorType) for v in (*op.operands, *op.results))
        if has_tensors or op.regions or not op.results:
            self.same_everywhere(op, operands)
        regions = tuple(self._region(region, i) for i, region in enumerate(op.regions))
        attributes = tuple(sorted(op.attributes.items(), key=lambda pair: pair[0]))
        kinds = tuple(r.type for r in op.results)
        node = self.table.make(("op", op.name, attributes, kinds, tuple(operands), regions), op)
        if not op.results:
            self.effects.append(node)
            return []
        made = [self.table.as_it_is(e, r.type) for e, r in zip(self.table.results(node, op), op.results, strict=True)]
        differs = any(v.bound for v in operands)
        return [m._replace(bound=whole_dim(self.ranks, 0)) for m in made] if differs else made

    def same_everywhere(self, op: Any, operands: Sequence[Value]) -> None:
        """Raises MisplacedError for the first operand that differs between ranks."""
        for number, value in enumerate(operands):
            if value.bound:
                raise MisplacedError(op, number, value)

    def on_axis(self, op: Any) -> None:
        """Raises CollectiveError for what ranks do together over another axis."""
        axis = str(ir.StringAttr(op.attributes["axis"]).value)
        if axis != self.axis:
            raise CollectiveError(op, f"{op.name} is over axis '{axis}', the program is cut over '{self.axis}'")

    def has_shape(self, op: Any, value: Value) -> None:
        """Raises CollectiveError for a type of the result that is not what the ranks receive."""
        kind = op.results[0].type
        for dim, (size, factors) in enumerate(zip(kind.shape, value.dims, strict=True)):
            found = extent(factors)
            if not kind.is_dynamic_dim(dim) and not found.symbols and found.number != size:
                raise CollectiveError(op, f"{op.name} gives {found} along dimension {dim}, its type says {size}")

    def _region(self, region: Any, number: int) -> tuple[Any, ...]:
        """What a region computes, in terms of its arguments, and what it asserts."""
        if not list(region.blocks):
            return ()
        block = self._only_block(region)
        outside, self.effects = self.effects, []
        symbols = self._symbols(block, number)
        self.depth += 1
        handed = self.block(block)
        self.depth -= 1
        last = list(block.operations)[-1].operation
        self.same_everywhere(last, handed)
        effects, self.effects = tuple(self.effects), outside
        return last.name, tuple(handed), effects, tuple(symbols)

    def _only_block(self, region: Any) -> Any:
        blocks = list(region.blocks)
        if len(blocks) > 1:
            raise UnreadableError("branches between blocks")
        return blocks[0]

    def _symbols(self, block: Any, number: int) -> list[Expression]:
        """Stand for the arguments of a block; the same in every block at this depth, for none is seen from outside."""
        found = []
        for i, argument in enumerate(block.arguments):
            symbol = self.table.make(("argument", self.depth, number, i, argument.type))
            self.values[argument] = self.table.as_it_is(symbol, argument.type)
            found.append(symbol)
        return found

    def _nest(self, op: Any, operands: list[Value]) -> list[Value] | None:
        maps = self._maps_of(op)
        if maps is None:
            return None
        outside, self.counted = self.counted, set()
        _, yields, effects, symbols = self._region(op.regions[0], 0)
        counted, self.counted = frozenset(self.counted), outside
        nest = NestReader(self.table, op, maps, operands, symbols, yields, effects, counted)
        results = nest.results()
        self.effects += nest.effects
        return results

    def _maps_of(self, op: Any) -> Maps | None:
        """Maps are read once for all operations that have the same."""
        maps = indexing_maps(op)
        if maps is None:
            return None
        key = (*maps, *(r.type for r in op.results))
        if key not in self.table.maps:
            self.table.maps[key] = maps_of(op, maps)
        return self.table.maps[key]
