"""Results that no cache holds are written past the caches.

A line that is written in part is read first; where the whole result is larger than the last cache, that read is for
nothing, and so is the room that the line takes. Such stores are for whole vectors at addresses that are multiples of
their size, which the base address tells at run time; and other threads see them only behind a fence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, llvm

from stratagem.compiler.backends.cpu.build import i64, parse_type
from stratagem.compiler.backends.cpu.loops.body import reads_argument
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.nest import Nest
from stratagem.compiler.backends.cpu.outline_phases import argument_bytes, buffer_root
from stratagem.compiler.backends.cpu.target import CpuTarget

SMALL_PART = 3
"""A result of less than one part in so many of all that a function touches is small."""


def streamed_results(ops: list[Any], target: CpuTarget) -> dict[Any, set[int]]:
    """For the generics of a function: which outputs are parts of an argument that no cache would hold until it is read,
    and that nothing else in the function touches."""
    uses = [buffer_root(v) for op in ops for v in op.operands if isinstance(v.type, ir.MemRefType)]
    found: dict[Any, set[int]] = {}
    for op in ops:
        count = int(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"])[0])
        for i, value in enumerate(list(op.operands)[count:]):
            root = buffer_root(value) if isinstance(value.type, ir.MemRefType) else None
            read = reads_argument(op.regions[0].blocks[0], count + i)
            if root is not None and not read and uses.count(root) == 1 and _is_displaced(root, uses, target):
                found.setdefault(op, set()).add(i)
    return found


def _is_displaced(root: Any, roots: list[Any], target: CpuTarget) -> bool:
    """Whether what a function reads and writes exceeds all caches together, and this result is no small part of it: a
    small one, like the product of a large weight, is read again before the next weight displaces it."""
    size, others = argument_bytes(root), [argument_bytes(one) for one in set(roots)]
    if size is None or None in others:
        return size is not None and size > target.cached_bytes
    total = sum(n for n in others if n is not None)
    return total > target.cached_bytes and size * SMALL_PART >= total


def with_streamed(nest: Nest, results: set[int]) -> Nest:
    """The nest with these outputs marked."""
    return replace(nest, outputs=[replace(a, streamed=i in results) for i, a in enumerate(nest.outputs)])


def whole_vectors(nest: Nest, plan: Plan) -> list[Any]:
    """The marked outputs whose vectors all start at multiples of a vector's size from where the output starts."""
    others = [d for d in range(len(nest.sizes)) if d != plan.vector]
    return [a for a in nest.outputs if a.streamed and all(_is_multiple(a.coefficients[d], plan.lanes) for d in others)]


def _is_multiple(step: Any, lanes: int) -> bool:
    return isinstance(step, int) and step % lanes == 0


def starts_aligned(accesses: list[Any], lanes: int) -> Any:
    """i1: whether the starts of all these are multiples of a vector's size."""
    answer = None
    for access in accesses:
        address = llvm.PtrToIntOp(parse_type("i64"), access.pointer).result
        beyond = arith.andi(address, i64(lanes * access.stored_bytes - 1))
        aligned = arith.cmpi(arith.CmpIPredicate.eq, beyond, i64(0))
        answer = aligned if answer is None else arith.andi(answer, aligned)
    return answer


def fence_before_return(function: Any) -> None:
    """Makes what was streamed visible to other threads before the function returns."""
    last = list(function.regions[0].blocks)[-1]
    with ir.InsertionPoint(list(last.operations)[-1]):
        llvm.FenceOp(llvm.AtomicOrdering.seq_cst)
