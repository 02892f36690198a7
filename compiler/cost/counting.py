"""Operations of a tensor-level program as kernels of a cost model: products, and streams fused between them.

Elementwise work joins the product or the stream that makes its latest operand, reductions start a stream. Views are
free, and so is what parameters alone decide: it is computed once, before any step. What a stream reads and writes is
counted once, values that never leave it not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from torch_mlir import ir

from stratagem.compiler.cost.device import BYTES
from stratagem.compiler.ir import walk
from stratagem.compiler.schedule.structured import captured, is_tensor
from stratagem.compiler.schedule.work import FREE
from stratagem.compiler.sharding.structure import Structure, indexing_maps, is_loop_nest, loops_in, structure_of

VIEWS = ("tensor.expand_shape", "tensor.collapse_shape", "tensor.cast", "tensor.extract_slice")
EMPTY = ("tensor.empty", "linalg.fill", "arith.constant", "tensor.dim")
COLLECTIVES = {
    "system.all_reduce": "all_reduce",
    "system.all_gather": "all_gather",
    "system.reduce_scatter": "reduce_scatter",
}
SPECIAL = ("math.exp", "math.tanh", "math.erf", "math.log", "math.sin", "math.cos", "math.powf", "math.expm1")
FLOATS = {"f64": "f64", "f32": "f32", "f16": "f16", "bf16": "bf16", "f8E4M3FN": "f8e4m3", "f8E5M2": "f8e5m2"}


@dataclass(frozen=True)
class Count:
    """One kernel.

    Attributes:
        shape: batch, rows, columns, depth of a product, empty for others. primitive: of a collective, else empty.
        weights: whether a product has a parameter. moved: bytes of activations read and written (of a product: by what
        is fused behind it); fixed: bytes of parameters that a stream reads. written: bytes of results. saved: bytes of
        activations that the backward pass needs. parameters: elements first used here.
    """

    name: str
    shape: tuple[int, ...] = ()
    primitive: str = ""
    weights: bool = False
    moved: float = 0.0
    fixed: float = 0.0
    written: float = 0.0
    saved: float = 0.0
    simple: float = 0.0
    special: float = 0.0
    parameters: float = 0.0

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for kernels that cost the same."""
        return (self.shape, self.primitive, self.weights, self.moved, self.written, self.simple, self.special)


@dataclass
class _Group:
    """Operations that become one kernel: `own` operands of its product, `gathered` bytes of tensors read by places."""

    name: str
    shape: tuple[int, ...] = ()
    primitive: str = ""
    own: list[Any] = field(default_factory=list)
    read: list[Any] = field(default_factory=list)
    made: list[Any] = field(default_factory=list)
    gathered: dict[Any, float] = field(default_factory=dict)
    simple: float = 0.0
    special: float = 0.0


@dataclass
class _Counter:
    """State of one walk down @main: where each value comes from, and the groups so far."""

    dtype: str
    parameters: set[Any]
    groups: list[_Group] = field(default_factory=list)
    root: dict[Any, Any] = field(default_factory=dict)
    home: dict[Any, int] = field(default_factory=dict)
    nothing: set[Any] = field(default_factory=set)

    def operation(self, op: Any) -> None:
        """One operation."""
        if op.name in VIEWS:
            source = self.of(op.operands[0])
            self.root[op.results[0]] = source
            return
        if op.name in EMPTY or not op.results:
            self.nothing.update(op.results)
            return
        reads = [self.of(v) for v in op.operands if is_tensor(v) and self.of(v) not in self.nothing]
        reads += [self.of(v) for v in _captured(op) if self.of(v) not in self.nothing]
        if reads and all(value in self.parameters for value in reads):
            self._computed_once(op, reads)
            return
        structure = structure_of(op)
        if op.name in COLLECTIVES:
            self._add(_Group(op.name, primitive=COLLECTIVES[op.name]), op, reads)
        elif structure is not None and _is_product(op, structure):
            group = _Group(op.name, _shape_of_product(op, structure, self._repeats(op)))
            self._add(group, op, reads)
            group.own = list(group.read)
        else:
            self._stream(op, structure, reads)

    def _computed_once(self, op: Any, reads: list[Any]) -> None:
        """Transposed, broadcast or converted parameters are parameters."""
        for result in op.results:
            if len(set(reads)) == 1:
                self.root[result] = reads[0]
            else:
                self.parameters.add(result)

    def _repeats(self, op: Any) -> bool:
        """Whether an operand of a product is one parameter over and over, so that its batch is more rows."""
        operands = [v for v in op.operands if self.of(v) in self.parameters]
        return any(elements(v.type) > elements(self.of(v).type) for v in operands)

    def of(self, value: Any) -> Any:
        """What a view is a view of."""
        return self.root.get(value, value)

    def _stream(self, op: Any, structure: Structure | None, reads: list[Any]) -> None:
        homes = [self.home[v] for v in reads if v in self.home]
        group = self.groups[max(homes)] if homes else None
        reduces = structure is None or bool(structure.reductions)
        if group is None or group.primitive or (group.shape and reduces):
            group = _Group(op.name)
            self._add(group, op, reads)
        else:
            self._join(group, max(homes), op, reads)
        if not is_loop_nest(op) or structure is None:
            return
        points = float(prod(_extents(op, structure)))
        for inner in walk(op):
            if inner.name in SPECIAL:
                group.special += points
            elif inner.name not in FREE:
                group.simple += points

    def _add(self, group: _Group, op: Any, reads: list[Any]) -> None:
        self.groups.append(group)
        self._join(group, len(self.groups) - 1, op, reads)

    def _join(self, group: _Group, place: int, op: Any, reads: list[Any]) -> None:
        group.read += [v for v in reads if v not in group.made and v not in group.read]
        made = sum(_bytes(result, self.dtype) for result in op.results)
        group.gathered.update({self.of(value): made for value in _captured(op)})
        for result in op.results:
            group.made.append(result)
            self.home[result] = place


def count_operations(main: Any, parameters: Sequence[bool], dtype: str) -> list[Count]:
    """Kernels of a function whose sizes are all known, in order.

    Args:
        parameters: for each argument whether it is one. dtype: floats are counted as this type.
    """
    block = main.regions[0].blocks[0]
    arguments = {block.arguments[i] for i, given in enumerate(parameters) if given}
    counter = _Counter(dtype, arguments)
    operations = [op.operation for op in block.operations]
    for op in operations:
        counter.operation(op)
    users = _users(counter, operations)
    seen: set[Any] = set()
    return [_count(counter, group, place, users, seen) for place, group in enumerate(counter.groups)]


def _users(counter: _Counter, operations: list[Any]) -> dict[Any, set[int]]:
    """For each value the groups that read it; -1 for the function's results."""
    users: dict[Any, set[int]] = {}
    for place, group in enumerate(counter.groups):
        for value in group.read:
            users.setdefault(value, set()).add(place)
    for value in operations[-1].operands:
        users.setdefault(counter.of(value), set()).add(-1)
    return users


def _count(counter: _Counter, group: _Group, place: int, users: dict[Any, set[int]], seen: set[Any]) -> Count:
    def amount(value: Any) -> float:
        return min(_bytes(value, counter.dtype), group.gathered.get(value, float("inf")))

    leaving = [value for value in group.made if users.get(value, set()) - {place}]
    written = sum(_bytes(value, counter.dtype) for value in leaving)
    activations = [value for value in group.read if value not in counter.parameters]
    parameters = [value for value in group.read if value in counter.parameters]
    moved = sum(amount(v) for v in activations if v not in group.own) + (0.0 if group.shape else written)
    fresh = [value for value in parameters if value not in seen]
    seen.update(fresh)
    return Count(
        group.name,
        group.shape,
        group.primitive,
        any(value in counter.parameters for value in group.own),
        moved,
        sum(amount(v) for v in parameters if v not in group.own),
        written,
        sum(amount(v) for v in activations),
        group.simple,
        group.special,
        sum(elements(v.type) for v in fresh),
    )


def _is_product(op: Any, structure: Structure) -> bool:
    """Whether an operation sums products of two tensors that both vary along what is summed."""
    if structure.reduction != "sum" or structure.inputs != 2 or not structure.reductions:
        return False
    maps = indexing_maps(op) or []
    sides = [set().union(*(loops_in(e) for e in m.results)) for m in maps[:2]]
    both = all(any(loop in side for loop in structure.reductions) for side in sides)
    return both and any(inner.name in ("arith.mulf", "arith.muli") for inner in walk(op))


def _shape_of_product(op: Any, structure: Structure, repeats: bool) -> tuple[int, int, int, int]:
    """Batch, rows, columns, depth: loops of both operands, of the first, of the second, and those summed over.

    `repeats`: one operand is the same for the whole batch, which is then rows.
    """
    maps = indexing_maps(op) or []
    left, right = (set().union(*(loops_in(e) for e in m.results)) for m in maps[:2])
    shape = [1, 1, 1, 1]
    for loop, extent in enumerate(_extents(op, structure)):
        if loop in structure.reductions:
            role = 3
        elif loop in left and loop in right:
            role = 0
        else:
            role = 1 if loop in left else 2
        shape[1 if repeats and role == 0 else role] *= extent
    return (shape[0], shape[1], shape[2], shape[3])


def _extents(op: Any, structure: Structure) -> list[int]:
    """Iterations of each loop, from the operands that it indexes plainly."""
    extents = [1] * structure.loops
    for value, dims in zip(op.operands, structure.dims_of, strict=True):
        if is_tensor(value):
            for size, loop in zip(ir.RankedTensorType(value.type).shape, dims, strict=True):
                if loop is not None:
                    extents[loop] = size
    return extents


def _captured(op: Any) -> list[Any]:
    """Tensors from outside that a body reads, as gathers do."""
    return [value for value in captured(op) if is_tensor(value)]


def elements(kind: Any) -> float:
    """Elements of a tensor type, 1 for anything else."""
    return float(prod(ir.RankedTensorType(kind).shape)) if isinstance(kind, ir.RankedTensorType) else 1.0


def float_type(kind: Any) -> str:
    """Our name of a tensor's float type, empty for other types."""
    return FLOATS.get(str(ir.RankedTensorType(kind).element_type), "") if isinstance(kind, ir.RankedTensorType) else ""


def _bytes(value: Any, dtype: str) -> float:
    """Bytes of a tensor, floats as `dtype`."""
    if float_type(value.type):
        return elements(value.type) * BYTES[dtype]
    if not is_tensor(value):
        return 0.0
    element = ir.RankedTensorType(value.type).element_type
    width = element.width / 8 if isinstance(element, ir.IntegerType) else 8.0
    return elements(value.type) * max(1.0, width)
