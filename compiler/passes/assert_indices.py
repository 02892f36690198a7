"""assert-indices: indices that come from data are compared with the sizes that they index, when the program runs.

Before: `tensor.extract %table[%i]` in a loop body, `%i` read from an input; an index outside would read whatever lies
there. After: a generic that compares every index, a reduction of its answers, and a `cf.assert` that names the
dimension and the place in the model, in front of the operation. Scatters likewise. Indices that loops alone decide are
left to the integer-set proofs, and those that are clamped into the range need no comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, linalg, tensor

from stratagem.compiler.analysis.index_ranges import interval_of
from stratagem.compiler.ir import DYNAMIC, find_function, run_pipeline, walk
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.compiler.schedule.clone import clone
from stratagem.compiler.schedule.structured import body, is_generic
from stratagem.compiler.schedule.writes import elementwise
from stratagem.compiler.sharding.structure import indexing_maps, loops_in, plain_dims

SIMPLIFY = "builtin.module(canonicalize,cse)"


@dataclass(frozen=True)
class AssertIndices(Pass):
    name: ClassVar[str] = "assert-indices"

    def apply(self, program: Program, context: PassContext) -> None:
        made = False
        with program.module.context:
            for op in list(walk(find_function(program.module, "main"))):
                with ir.InsertionPoint(op), op.location:
                    made |= _assert_one(op)
        if made:
            run_pipeline(program.module, SIMPLIFY)


def _assert_one(op: Any) -> bool:
    """Asserts in front of one operation; whether there were any."""
    if is_generic(op):
        checks = dict.fromkeys(_indices_from_data(op))
        for value, source, dim in checks:
            _assert_all(_answers(op, value, source, dim), source, dim, op)
        return bool(checks)
    if op.name == "tm_tensor.scatter":
        return _assert_scatter(op)
    if op.name in ("tensor.extract", "tensor.insert") and op.parent.name != "linalg.generic":
        return _assert_element(op)
    return False


def _indices_from_data(op: Any) -> Iterator[tuple[Any, Any, int]]:
    """(index, tensor, dimension) of each element that the body of a generic reads at a place that data decides."""
    extents = _loop_extents(op)
    for inner in walk(op):
        if inner.name != "tensor.extract" or inner.parent != op:
            continue
        source, *indices = inner.operands
        for dim, value in enumerate(indices):
            size = ir.RankedTensorType(source.type).shape[dim]
            if _from_data(value, body(op)) and not (size != DYNAMIC and interval_of(value, extents).inside(size)):
                yield value, source, dim


def _loop_extents(op: Any) -> list[int]:
    maps = indexing_maps(op) or []
    extents = [DYNAMIC] * (maps[0].n_dims if maps else 0)
    for value, dims in zip(op.operands, plain_dims(maps), strict=True):
        for dim, loop in enumerate(dims if isinstance(value.type, ir.RankedTensorType) else ()):
            size = ir.RankedTensorType(value.type).shape[dim]
            if loop is not None and size != DYNAMIC:
                extents[loop] = size
    return extents


def _from_data(value: Any, block: Any) -> bool:
    """Whether elements, not loops alone, decide a value of the body."""
    if isinstance(value.owner, ir.Block):
        return bool(value.owner == block)
    op = value.owner.operation
    if op.block != block:
        return False
    return op.name == "tensor.extract" or any(_from_data(v, block) for v in op.operands)


def _answers(op: Any, value: Any, source: Any, dim: int) -> Any:
    """A tensor of i1 over the loops that decide the index: whether it is inside."""
    behind = list(_behind(value, body(op), {}))
    maps = indexing_maps(op) or []
    read = [i for i, a in enumerate(body(op).arguments) if a in behind]
    counted = {ir.IntegerAttr(v.owner.attributes["dim"]).value for v in behind if _is_index(v)}
    loops = sorted(counted.union(*(loops_in(e) for i in read for e in maps[i].results)))
    sizes, size = _sizes(op, loops), _size(source, dim)
    target = tensor.EmptyOp(sizes, ir.IntegerType.get_signless(1)).result
    operands = [op.operands[i] for i in read]
    reads = [_over(maps[i], loops) for i in read]
    made = linalg.GenericOp(
        [target.type],
        operands,
        [target],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in [*reads, ir.AffineMap.get_identity(len(loops))]]),
        ir.ArrayAttr.get([ir.Attribute.parse("#linalg.iterator_type<parallel>")] * len(loops)),
    )
    block = made.regions[0].blocks.append(*[_element(v) for v in [*operands, target]])
    with ir.InsertionPoint(block):
        mapping = dict(zip([body(op).arguments[i] for i in read], block.arguments, strict=False))
        for each in behind:
            if _is_index(each):
                mapping[each] = linalg.IndexOp(loops.index(ir.IntegerAttr(each.owner.attributes["dim"]).value)).result
            elif each not in mapping:
                clone(each.owner.operation, mapping)
        linalg.YieldOp([_inside(mapping[value], size)])
    return made.results[0]


def _behind(value: Any, block: Any, seen: dict[Any, None]) -> Iterator[Any]:
    """The values of the body that go into `value`, it included, each after what it needs."""
    if value in seen:
        return
    seen[value] = None
    if isinstance(value.owner, ir.Block):
        if value.owner == block:
            yield value
        return
    if value.owner.operation.block != block:
        return
    for operand in value.owner.operation.operands:
        yield from _behind(operand, block, seen)
    yield value


def _is_index(value: Any) -> bool:
    return not isinstance(value.owner, ir.Block) and value.owner.name == "linalg.index"


def _over(affine_map: Any, loops: list[int]) -> Any:
    """The map, of a nest that has these loops only."""
    dims = [ir.AffineDimExpr.get(loops.index(i) if i in loops else 0) for i in range(affine_map.n_dims)]
    return ir.AffineMap.get(
        len(loops), 0, [e.compose(ir.AffineMap.get(len(loops), 0, dims)) for e in affine_map.results]
    )


def _sizes(op: Any, loops: list[int]) -> list[Any]:
    """The extents of loops, from operands that have them as a dimension."""
    found: dict[int, Any] = {}
    for value, dims in zip(op.operands, plain_dims(indexing_maps(op) or []), strict=True):
        for dim, loop in enumerate(dims if isinstance(value.type, ir.RankedTensorType) else ()):
            if loop in loops and loop not in found:
                size = ir.RankedTensorType(value.type).shape[dim]
                found[loop] = size if size != DYNAMIC else _size(value, dim)
    return [found[loop] for loop in loops]


def _size(value: Any, dim: int) -> Any:
    return tensor.dim(value, arith.constant(ir.IndexType.get(), dim))


def _element(value: Any) -> Any:
    return ir.ShapedType(value.type).element_type if isinstance(value.type, ir.ShapedType) else value.type


def _inside(value: Any, size: Any) -> Any:
    zero = arith.constant(ir.IndexType.get(), 0)
    low = arith.cmpi(arith.CmpIPredicate.sge, value, zero)
    return arith.andi(low, arith.cmpi(arith.CmpIPredicate.slt, value, size))


def _assert_all(answers: Any, source: Any, dim: int, op: Any) -> None:
    rank = ir.RankedTensorType(answers.type).rank
    flag = ir.IntegerType.get_signless(1)
    if rank:
        start = linalg.fill(arith.constant(flag, True), outs=[tensor.EmptyOp([], flag).result])
        reduced = linalg.ReduceOp([start.type], [answers], [start], list(range(rank)))
        block = reduced.regions[0].blocks.append(flag, flag)
        with ir.InsertionPoint(block):
            linalg.YieldOp([arith.andi(*block.arguments)])
        answers = reduced.results[0]
    cf.assert_(tensor.extract(answers, []), _message(source, dim, op))


def _assert_scatter(op: Any) -> bool:
    """Every place that a scatter writes is one of its result. One that is known to write none needs no comparison, and
    there is nothing to cut a column from: MLIR has no slice of a dimension without elements."""
    indices, result = op.operands[1], op.results[0]
    if ir.RankedTensorType(indices.type).shape[0] == 0:
        return False
    dims = list(ir.DenseI64ArrayAttr(op.attributes["dimension_map"]))
    for column, dim in enumerate(dims):
        places = _column(indices, column)
        target = tensor.EmptyOp(_shape(places), ir.IntegerType.get_signless(1)).result
        size = _size(op.operands[len(op.operands) - len(op.results)], dim)
        answers = elementwise([places], target, lambda a, size=size: _inside(_as_index(a[0]), size))  # type: ignore[misc]
        _assert_all(answers, result, dim, op)
    return bool(dims)


def _column(indices: Any, column: int) -> Any:
    """One column of a matrix of indices, as a vector."""
    kind = ir.RankedTensorType(indices.type)
    rows = kind.shape[0] if kind.shape[0] != DYNAMIC else _size(indices, 0)
    vector = ir.RankedTensorType.get([kind.shape[0]], kind.element_type)
    dynamic = [] if isinstance(rows, int) else [rows]
    return tensor.ExtractSliceOp(vector, indices, [], dynamic, [], [0, column], [kind.shape[0], 1], [1, 1]).result


def _shape(value: Any) -> list[Any]:
    return [n if n != DYNAMIC else _size(value, i) for i, n in enumerate(ir.RankedTensorType(value.type).shape)]


def _as_index(value: Any) -> Any:
    return value if isinstance(value.type, ir.IndexType) else arith.index_cast(ir.IndexType.get(), value)


def _assert_element(op: Any) -> bool:
    """One element read or written outside loop bodies, at a place that is neither constant nor a loop's counter."""
    at = op.name == "tensor.insert"
    source, indices = op.operands[int(at)], list(op.operands)[1 + at :]
    made = False
    for dim, value in enumerate(indices):
        size = ir.RankedTensorType(source.type).shape[dim]
        computed = not isinstance(value.owner, ir.Block) and value.owner.name == "arith.index_cast"
        if computed and not (size != DYNAMIC and interval_of(value, ()).inside(size)):
            cf.assert_(_inside(value, _size(source, dim)), _message(source, dim, op))
            made = True
    return made


def _message(source: Any, dim: int, op: Any) -> str:
    size = ir.RankedTensorType(source.type).shape[dim]
    text = str(op.location).removeprefix("loc(").removesuffix(")").strip('"')
    where = f" at {text}" if text and text != "unknown" else ""
    return f"an index is outside dimension {dim}" + (f" of size {size}" if size != DYNAMIC else "") + where
