"""Readers of linalg ops: loops, accesses, what the body does. Every analysis of the device level starts here.

An op has loops `0..n-1`, each parallel or a reduction; every operand is read or written through an affine map from
loops to its dimensions (an *access*). `linalg.fill` is the one named op kept; all others are generics by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

PARALLEL, REDUCTION = "parallel", "reduction"


@dataclass(frozen=True)
class Linear:
    """An affine expression of loops: the sum of `terms[loop] * loop`, plus `constant`."""

    terms: tuple[tuple[int, int], ...] = ()
    constant: int = 0

    @property
    def loop(self) -> int | None:
        """The one loop this is, when it is a bare loop."""
        return self.terms[0][0] if self.constant == 0 and len(self.terms) == 1 and self.terms[0][1] == 1 else None


def linear(expression: Any) -> Linear | None:
    """Reads an affine expression without symbols, div or mod; None for any other."""
    expression = expression.maybe_downcast()
    if isinstance(expression, ir.AffineDimExpr):
        return Linear(((expression.position, 1),))
    if isinstance(expression, ir.AffineConstantExpr):
        return Linear((), expression.value)
    if not isinstance(expression, (ir.AffineAddExpr, ir.AffineMulExpr)):
        return None
    left, right = linear(expression.lhs), linear(expression.rhs)
    if left is None or right is None:
        return None
    if isinstance(expression, ir.AffineMulExpr):
        return _product(left, right)
    total = dict(left.terms)
    for loop, factor in right.terms:
        total[loop] = total.get(loop, 0) + factor
    return Linear(tuple(sorted((k, v) for k, v in total.items() if v)), left.constant + right.constant)


def _product(left: Linear, right: Linear) -> Linear | None:
    if left.terms and right.terms:
        return None
    scale, scaled = (left.constant, right) if not left.terms else (right.constant, left)
    return Linear(tuple((k, v * scale) for k, v in scaled.terms if v * scale), scaled.constant * scale)


Access = tuple[Linear | None, ...]


def accesses(op: Any) -> list[Access]:
    """One access per operand of a generic, inputs then inits."""
    return [access_of(ir.AffineMapAttr(a).value) for a in ir.ArrayAttr(op.attributes["indexing_maps"])]


def access_of(affine_map: Any) -> Access:
    return tuple(linear(e) for e in affine_map.results)


def affine_map(access: Access, loops: int) -> Any:
    """The MLIR map of an access over `loops` dimensions; needs every result to be linear."""
    return ir.AffineMap.get(loops, 0, [_affine(r) for r in access if r is not None])


def _affine(value: Linear) -> Any:
    result: Any = None
    for loop, factor in value.terms:
        term = ir.AffineDimExpr.get(loop)
        term = term if factor == 1 else ir.AffineMulExpr.get(term, ir.AffineConstantExpr.get(factor))
        result = term if result is None else ir.AffineAddExpr.get(result, term)
    if result is None:
        return ir.AffineConstantExpr.get(value.constant)
    return result if not value.constant else ir.AffineAddExpr.get(result, ir.AffineConstantExpr.get(value.constant))


def iterators(op: Any) -> list[str]:
    """`parallel` or `reduction` for each loop of a generic."""
    text = str(op.attributes["iterator_types"])  # one reading of the whole list: this is asked for very often
    return [REDUCTION if REDUCTION in part else PARALLEL for part in text.split(",")] if "<" in text else []


def is_generic(op: Any) -> bool:
    return bool(op.name == "linalg.generic")


def is_fill(op: Any) -> bool:
    return bool(op.name == "linalg.fill")


def is_structured(op: Any) -> bool:
    return op.name in ("linalg.generic", "linalg.fill")


def segment_sizes(op: Any) -> list[int]:
    """How many operands each operand group of an op has (inputs, inits for linalg)."""
    return list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))


def input_count(op: Any) -> int:
    """Inputs of a structured op on tensors: what remains beside one init per result."""
    return len(op.operands) - len(op.results)


def inputs(op: Any) -> list[Any]:
    return list(op.operands)[: input_count(op)]


def inits(op: Any) -> list[Any]:
    return list(op.operands)[input_count(op) :]


def body(op: Any) -> Any:
    return op.regions[0].blocks[0]


def body_ops(op: Any) -> list[Any]:
    return [o.operation for o in body(op).operations]


def owner(value: Any) -> Any:
    """The op that makes a value, None for a block argument."""
    made_by = value.owner
    return None if isinstance(made_by, ir.Block) else made_by.operation


def is_made_by(value: Any, ops: list[Any]) -> bool:
    """Whether one of `ops` makes the value; block arguments are made by none."""
    maker = owner(value)
    return maker is not None and maker in ops


def is_elementwise(op: Any) -> bool:
    """All loops parallel, and every result element is written by exactly one iteration."""
    return is_generic(op) and REDUCTION not in iterators(op) and all(is_permutation(a) for a in output_accesses(op))


def output_accesses(op: Any) -> list[Access]:
    return accesses(op)[input_count(op) :]


def is_permutation(access: Access) -> bool:
    """Whether every result is a bare loop, none twice."""
    loops = [r.loop for r in access if r is not None]
    return len(loops) == len(access) and None not in loops and len(set(loops)) == len(loops)


def is_contraction(op: Any) -> bool:
    """A sum of products over two tensors: matmul, batched or not, convolution; any loop order."""
    if not is_generic(op) or len(op.operands) != 3 or len(op.results) != 1 or REDUCTION not in iterators(op):
        return False
    return _sums_products(op) and _both_operands_vary(op)


def _both_operands_vary(op: Any) -> bool:
    """Both inputs run over some reduction loop and one has output loops of its own; excludes sums of squares, of scaled
    values and of elementwise products, which are plain reductions."""
    kinds = iterators(op)
    reductions = {i for i, kind in enumerate(kinds) if kind == REDUCTION}
    left, right = [{loop for r in a if r is not None for loop, _ in r.terms} for a in accesses(op)[:2]]
    return bool(left & reductions and right & reductions and (left ^ right) - reductions)


CASTS = (
    "arith.extf",
    "arith.truncf",
    "arith.extsi",
    "arith.extui",
    "arith.sitofp",
    "arith.trunci",
    "arith.subi",
)


def _sums_products(op: Any) -> bool:
    ops = body_ops(op)
    names = [o.name for o in ops if o.name not in CASTS]
    if names[-1:] != ["linalg.yield"]:
        return False
    kinds = set(names[:-1])
    sums = [{"arith.mulf", "arith.addf"}, {"arith.muli", "arith.addi"}, {"arith.andi", "arith.ori"}]
    return kinds in sums and len(names) == 3 and _added_to_output(op, ops)


def _added_to_output(op: Any, ops: list[Any]) -> bool:
    last = owner(ops[-1].operands[0])
    return last is not None and any(o == body(op).arguments[2] for o in last.operands)


def captured(op: Any) -> list[Any]:
    """Values from outside that an op's regions use, each once, in order of first use."""
    found: list[Any] = []
    for region in op.regions:
        _capture(region, set(), found)
    return found


def _capture(region: Any, outer: set[Any], found: list[Any]) -> None:
    inside = set(outer)
    for block in region.blocks:
        inside |= set(block.arguments)
        for view in block.operations:
            op = view.operation
            for value in op.operands:
                if value not in inside and value not in found:
                    found.append(value)
            for nested in op.regions:
                _capture(nested, inside, found)
            inside |= set(op.results)


def reads(op: Any) -> list[Any]:
    """All values an op needs: operands and captures, each once."""
    found = list(dict.fromkeys(op.operands))
    return found + [v for v in captured(op) if v not in found] if len(op.regions) else found


def is_tensor(value: Any) -> bool:
    return isinstance(value.type, ir.RankedTensorType)


def shape(value: Any) -> list[int | None]:
    """Extents of a tensor value, None where dynamic."""
    kind = value.type
    return [None if kind.is_dynamic_dim(i) else kind.get_dim_size(i) for i in range(kind.rank)]


def loop_extents(op: Any) -> list[int | None]:
    """The static extent of each loop of a generic, from the operands it reads and writes; None where
    dynamic."""
    found: list[int | None] = [None] * len(iterators(op))
    for value, access in zip(op.operands, accesses(op), strict=True):
        if not is_tensor(value):
            continue
        for size, result in zip(shape(value), access, strict=True):
            if result is not None and result.loop is not None and size is not None:
                found[result.loop] = size
    return found


def places(op: Any) -> list[Access]:
    """The accesses of a generic where loops that run once stand at their only iteration, 0."""
    once = {loop for loop, size in enumerate(loop_extents(op)) if size == 1}
    return [
        tuple(None if r is None else Linear(tuple(t for t in r.terms if t[0] not in once), r.constant) for r in access)
        for access in accesses(op)
    ]


def unsized_loops(read: Sequence[Access], loops: int) -> list[int]:
    """The loops that no access runs over alone: nothing says how often they run, which MLIR refuses."""
    bare = {r.loop for a in read for r in a if r is not None}
    return [loop for loop in range(loops) if loop not in bare]


DTYPE_BYTES = {
    "f64": 8,
    "i64": 8,
    "index": 8,
    "f32": 4,
    "i32": 4,
    "f16": 2,
    "bf16": 2,
    "i16": 2,
    "i8": 1,
    "i1": 1,
}


def dtype(value: Any) -> str:
    """Element type of a tensor, or the type of a scalar, as MLIR writes it."""
    return str(value.type.element_type if is_tensor(value) else value.type)


def dtype_bytes(name: str) -> int:
    return DTYPE_BYTES.get(name, 8)
