"""assert-sizes: what a linalg operation takes for granted about sizes is checked when the program runs.

Before: two tensors of free size meet in one operation, and nothing says that the sizes agree, or that a convolution's
window stays inside its input. After: a `cf.assert` in front of it compares them. Sizes that are the same value, or
known numbers, cost nothing: such comparisons fold away. What remains protects memory from inputs that do not fit
together, and is a premise of the proofs of kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, tensor

from stratagem.compiler.ir import find_function, run_pipeline
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.compiler.sharding.structure import Structure, indexing_maps, loops_in, structure_of

Place = tuple[Any, int]
"""A tensor value and one of its dimensions."""

FOLD = "builtin.module(resolve-ranked-shaped-type-result-dims,cse,canonicalize,cse)"


@dataclass(frozen=True)
class AssertSizes(Pass):
    name: ClassVar[str] = "assert-sizes"

    def apply(self, program: Program, context: PassContext) -> None:
        block = find_function(program.module, "main").regions[0].blocks[0]
        with program.module.context:
            made = [_assert_one(op.operation) for op in list(block.operations)]
        if any(made):
            run_pipeline(program.module, FOLD)


def _assert_one(op: Any) -> bool:
    """Asserts in front of one operation; whether there were any."""
    structure = structure_of(op)
    if structure is None:
        return False
    loops, pairs = _loop_sizes(op, structure)
    windows = _windows(op, loops)
    with ir.InsertionPoint(op), op.location:
        for one, two in pairs:
            _assert_equal(one, two, op)
        for place, expression in windows:
            _assert_reach(place, expression, loops, op)
    return bool(pairs or windows)


def _loop_sizes(op: Any, structure: Structure) -> tuple[dict[int, Place], list[tuple[Place, Place]]]:
    """Where each loop's size is read from, and the places that must agree with it."""
    loops: dict[int, Place] = {}
    pairs = []
    for value, dims in zip(op.operands, structure.dims_of, strict=True):
        if not isinstance(value.type, ir.RankedTensorType):
            continue
        for dim, loop in enumerate(dims):
            if loop is None:
                continue
            other = loops.setdefault(loop, (value, dim))
            if other != (value, dim) and (_is_free(*other) or _is_free(value, dim)):
                pairs.append((other, (value, dim)))
    return loops, pairs


def _windows(op: Any, loops: dict[int, Place]) -> list[tuple[Place, Any]]:
    """Dimensions indexed by sums of loops, as convolutions index their input, where a size is free."""
    found = []
    for value, affine_map in zip(op.operands, indexing_maps(op) or [], strict=False):
        for dim, expression in enumerate(affine_map.results):
            involved = loops_in(expression)
            plain = isinstance(expression.maybe_downcast(), ir.AffineDimExpr)
            if plain or not involved or not involved <= loops.keys() or not isinstance(value.type, ir.RankedTensorType):
                continue
            if _is_free(value, dim) or any(_is_free(*loops[i]) for i in involved):
                found.append(((value, dim), expression))
    return found


def _assert_reach(place: Place, expression: Any, loops: dict[int, Place], op: Any) -> None:
    """The last element that a window touches lies inside: its index plus one is at most the size."""
    one = arith.constant(ir.IndexType.get(), 1)
    last = _value_at_end(expression, loops)
    if last is None:
        return
    inside = arith.cmpi(arith.CmpIPredicate.sle, arith.addi(last, one), _size(place))
    cf.assert_(inside, f"a window reaches past dimension {place[1]} of its operand{_where(op)}")


def _value_at_end(expression: Any, loops: dict[int, Place]) -> Any | None:
    """The expression with every loop at its last iteration; None for anything but sums and positive multiples."""
    narrowed = expression.maybe_downcast()
    index = ir.IndexType.get()
    if isinstance(narrowed, ir.AffineDimExpr):
        return arith.subi(_size(loops[int(narrowed.position)]), arith.constant(index, 1))
    if isinstance(narrowed, ir.AffineConstantExpr):
        return arith.constant(index, int(narrowed.value)) if narrowed.value >= 0 else None
    if not isinstance(narrowed, ir.AffineAddExpr | ir.AffineMulExpr):
        return None
    left, right = _value_at_end(narrowed.lhs, loops), _value_at_end(narrowed.rhs, loops)
    if left is None or right is None:
        return None
    return arith.addi(left, right) if isinstance(narrowed, ir.AffineAddExpr) else arith.muli(left, right)


def _size(place: Place) -> Any:
    return tensor.dim(place[0], arith.constant(ir.IndexType.get(), place[1]))


def _is_free(value: Any, dim: int) -> bool:
    return bool(ir.RankedTensorType(value.type).is_dynamic_dim(dim))


def _assert_equal(one: Place, two: Place, op: Any) -> None:
    same = arith.cmpi(arith.CmpIPredicate.eq, _size(one), _size(two))
    cf.assert_(
        same, f"sizes do not fit together: dimension {one[1]} and dimension {two[1]} of the operands{_where(op)}"
    )


def _where(op: Any) -> str:
    text = str(op.location).removeprefix("loc(").removesuffix(")").strip('"')
    return f" at {text}" if text and text != "unknown" else ""
