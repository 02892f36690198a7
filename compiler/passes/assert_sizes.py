"""assert-sizes: what a linalg operation takes for granted about sizes is checked when the program runs.

Before: two tensors of free size meet in one operation, and nothing says that the sizes agree. After: a `cf.assert` in
front of it compares them. Sizes that are the same value, or known numbers, cost nothing: such comparisons fold away.
What remains protects memory from inputs that do not fit together, and is a premise of the proofs of kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, tensor

from stratagem.compiler.ir import find_function, run_pipeline
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.compiler.sharding.structure import structure_of

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
    first: dict[int, tuple[Any, int]] = {}
    pairs = []
    for value, dims in zip(op.operands, structure.dims_of, strict=True):
        if not isinstance(value.type, ir.RankedTensorType):
            continue
        for dim, loop in enumerate(dims):
            if loop is None:
                continue
            other = first.setdefault(loop, (value, dim))
            if other != (value, dim) and (_is_free(*other) or _is_free(value, dim)):
                pairs.append((other, (value, dim)))
    with ir.InsertionPoint(op), op.location:
        for one, two in pairs:
            _assert_equal(one, two, op)
    return bool(pairs)


def _is_free(value: Any, dim: int) -> bool:
    return bool(ir.RankedTensorType(value.type).is_dynamic_dim(dim))


def _assert_equal(one: tuple[Any, int], two: tuple[Any, int], op: Any) -> None:
    index = ir.IndexType.get()
    sizes = [tensor.dim(value, arith.constant(index, dim)) for value, dim in (one, two)]
    same = arith.cmpi(arith.CmpIPredicate.eq, *sizes)
    text = str(op.location).removeprefix("loc(").removesuffix(")").strip('"')
    place = f" at {text}" if text and text != "unknown" else ""
    cf.assert_(same, f"sizes do not fit together: dimension {one[1]} and dimension {two[1]} of the operands{place}")
