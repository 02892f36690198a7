"""A structured operation read as a loop nest: sizes, kinds and accesses of its operands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import llvm

from stratagem.compiler.backends.cpu.build import Size, add, element_pointer, mul, parse_type
from stratagem.compiler.backends.cpu.loops.access import Access

DYNAMIC = ir.ShapedType.get_dynamic_size()


@dataclass(frozen=True)
class Ending:
    """Elementwise work on each sum of a nest that is done: operands over the nest's loops, input `sum` being the sum
    itself; `body`: what is computed."""

    body: Any
    inputs: list[Access]
    outputs: list[Access]
    sum: int

    @property
    def accesses(self) -> list[Access]:
        """What it reads and writes in memory."""
        return [a for i, a in enumerate(self.inputs) if i != self.sum] + self.outputs

    def without(self, d: int) -> Ending:
        """The same after loop `d` of the nest has gone."""
        return replace(self, inputs=[a.without(d) for a in self.inputs], outputs=[a.without(d) for a in self.outputs])


@dataclass
class Nest:
    """The loops of one `linalg.generic` on buffers.

    Attributes:
        sizes: trip count per loop. parallel: whether the loop's iterations are independent.
        inputs, outputs: operands in order. body: the scalar computation.
        position: original loop -> its loop now; None when it was dropped as a loop of one iteration.
        initial: the scalar that reductions start from, where the outputs hold nothing yet; None: what they hold.
        ending: what is made of the sums instead of storing them, if anything.
    """

    sizes: list[Size]
    parallel: list[bool]
    inputs: list[Access]
    outputs: list[Access]
    body: Any
    position: list[int | None] = field(default_factory=list)
    initial: Any = None
    ending: Ending | None = None

    @property
    def accesses(self) -> list[Access]:
        return [*self.inputs, *self.outputs]

    def loops(self, parallel: bool) -> list[int]:
        return [d for d, kind in enumerate(self.parallel) if kind == parallel]

    def known_size(self, d: int) -> int | None:
        size = self.sizes[d]
        return size if isinstance(size, int) else None


class NotLinear(Exception):
    """An indexing map is not a sum of loop counters times constants."""


def read_nest(op: Any) -> Nest:
    """Reads a `linalg.generic` whose tensors are memrefs; emits the address arithmetic at the insertion point.

    Raises NotLinear for maps with divisions or symbols.
    """
    maps = [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(op.attributes["indexing_maps"])]
    kinds = ["parallel" in str(t) for t in ir.ArrayAttr(op.attributes["iterator_types"])]
    linear = [[_linear(expression, len(kinds)) for expression in one.results] for one in maps]
    n_inputs = int(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"])[0])
    buffers = [_Buffer.of(v) for v in op.operands]
    sizes = [_loop_size(d, linear, buffers) for d in range(len(kinds))]
    accesses = [b.access(m, len(kinds)) for b, m in zip(buffers, linear, strict=True)]
    nest = Nest(sizes, kinds, accesses[:n_inputs], accesses[n_inputs:], op.regions[0].blocks[0])
    nest.position = list(range(len(kinds)))
    return nest


def simplify(nest: Nest) -> Nest:
    """Drops loops of one iteration and merges neighbours that walk memory as one."""
    for d in reversed(range(len(nest.sizes))):
        if nest.sizes[d] == 1 if isinstance(nest.sizes[d], int) else False:
            _remove(nest, d)
    indexed = {nest.position[i] for i in indices_used(nest.body)}
    merged = True
    while merged:
        merged = False
        for outer in range(len(nest.sizes)):
            for inner in range(len(nest.sizes)):
                if outer != inner and not {outer, inner} & indexed and _mergeable(nest, outer, inner):
                    nest.sizes[inner] = mul(nest.sizes[outer], nest.sizes[inner])
                    _remove(nest, outer)
                    indexed = {d - 1 if d is not None and d > outer else d for d in indexed}
                    merged = True
                    break
            if merged:
                break
    return nest


def indices_used(body: Any) -> set[int]:
    """The loops whose counters the body reads (`linalg.index`)."""
    names = [op.operation for op in body.operations if op.operation.name == "linalg.index"]
    return {int(ir.IntegerAttr(op.attributes["dim"]).value) for op in names}


def _mergeable(nest: Nest, outer: int, inner: int) -> bool:
    """Whether counter pairs (outer, inner) address memory like one counter of the product of the sizes."""
    if nest.parallel[outer] != nest.parallel[inner]:
        return False
    size = nest.known_size(inner)
    for access in [*nest.accesses, *(nest.ending.accesses if nest.ending is not None else [])]:
        a, b = access.coefficients[outer], access.coefficients[inner]
        if not isinstance(a, int) or not isinstance(b, int):
            return False
        if (a, b) != (0, 0) and (size is None or a != b * size):
            return False
    return True


def _remove(nest: Nest, d: int) -> None:
    """Removes loop `d`; its counter is 0 everywhere."""
    del nest.sizes[d], nest.parallel[d]
    for accesses in (nest.inputs, nest.outputs):
        accesses[:] = [access.without(d) for access in accesses]
    nest.ending = nest.ending.without(d) if nest.ending is not None else None
    nest.position = [None if p == d else p - 1 if p is not None and p > d else p for p in nest.position]


@dataclass(frozen=True)
class _Linear:
    """constant + sum(factors[d] * counter[d])."""

    constant: int
    factors: tuple[int, ...]


def _linear(expression: Any, count: int) -> _Linear:
    if isinstance(expression, ir.AffineConstantExpr):
        return _Linear(int(ir.AffineConstantExpr(expression).value), (0,) * count)
    if isinstance(expression, ir.AffineDimExpr):
        at = int(ir.AffineDimExpr(expression).position)
        return _Linear(0, tuple(int(d == at) for d in range(count)))
    if isinstance(expression, ir.AffineAddExpr | ir.AffineMulExpr):
        a, b = _linear(expression.lhs, count), _linear(expression.rhs, count)
        if isinstance(expression, ir.AffineAddExpr):
            return _Linear(a.constant + b.constant, tuple(x + y for x, y in zip(a.factors, b.factors, strict=True)))
        for one, other in ((a, b), (b, a)):
            if not any(one.factors):
                return _Linear(one.constant * other.constant, tuple(one.constant * x for x in other.factors))
    raise NotLinear(str(expression))


@dataclass(frozen=True)
class _Buffer:
    """A memref taken apart, or a scalar."""

    element: Any
    pointer: Any
    sizes: tuple[Size, ...]
    strides: tuple[Size, ...]
    scalar: Any

    @staticmethod
    def of(value: Any) -> _Buffer:
        if not isinstance(value.type, ir.MemRefType):
            return _Buffer(value.type, None, (), (), value)
        kind = ir.MemRefType(value.type)
        strides, offset = kind.get_strides_and_offset()
        descriptor = _descriptor(value, kind.rank)
        pointer = llvm.ExtractValueOp(parse_type("!llvm.ptr"), descriptor, [1]).result
        sizes = [_field(descriptor, 3, i, n) for i, n in enumerate(kind.shape)]
        steps = [_field(descriptor, 4, i, n) for i, n in enumerate(strides)]
        start = int(offset) if offset != DYNAMIC else llvm.ExtractValueOp(parse_type("i64"), descriptor, [2]).result
        access = Access(kind.element_type, pointer, ())
        pointer = element_pointer(pointer, start, access.stored)
        return _Buffer(kind.element_type, pointer, tuple(sizes), tuple(steps), None)

    def access(self, expressions: list[_Linear], count: int) -> Access:
        coefficients: list[Size] = [0] * count
        if self.pointer is None:
            return Access(self.element, None, tuple(coefficients), self.scalar)
        start: Size = 0
        for expression, stride in zip(expressions, self.strides, strict=True):
            start = add(start, mul(expression.constant, stride))
            for d, factor in enumerate(expression.factors):
                coefficients[d] = add(coefficients[d], mul(factor, stride))
        pointer = element_pointer(self.pointer, start, Access(self.element, None, ()).stored)
        return Access(self.element, pointer, tuple(coefficients))


def _descriptor(value: Any, rank: int) -> Any:
    arrays = f", array<{rank} x i64>, array<{rank} x i64>" if rank else ""
    kind = parse_type(f"!llvm.struct<(ptr, ptr, i64{arrays})>")
    return ir.Operation.create("builtin.unrealized_conversion_cast", results=[kind], operands=[value]).result


def _field(descriptor: Any, part: int, i: int, known: int) -> Size:
    """Size (part 3) or stride (part 4) of dimension `i`."""
    if known != DYNAMIC:
        return int(known)
    return llvm.ExtractValueOp(parse_type("i64"), descriptor, [part, i]).result


def _loop_size(d: int, linear: list[list[_Linear]], buffers: list[_Buffer]) -> Size:
    """The trip count of loop `d`: the size of a dimension indexed by its counter alone; a known one if there is."""
    sizes = [
        buffer.sizes[r]
        for expressions, buffer in zip(linear, buffers, strict=True)
        for r, e in enumerate(expressions)
        if buffer.pointer is not None and e.constant == 0 and sum(map(abs, e.factors)) == 1 and e.factors[d] == 1
    ]
    if not sizes:
        raise NotLinear(f"loop {d} has no dimension of its own")
    return next((s for s in sizes if isinstance(s, int)), sizes[0])
