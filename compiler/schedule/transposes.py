"""Takes copies and sums around contractions apart: transposed operands and results are read and written in
place."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.lemmas.registry import rewrite
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.layouts import is_convolution
from stratagem.compiler.schedule.rebuild import is_copy, rebuild, replace
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    Access,
    Linear,
    accesses,
    inits,
    input_count,
    inputs,
    is_contraction,
    is_elementwise,
    is_fill,
    is_generic,
    is_permutation,
    is_tensor,
    iterators,
    owner,
    unsized_loops,
)
from stratagem.compiler.schedule.writes import elementwise


@rewrite("permuted-index")
def fold_operand_copies(op: Any) -> Any:
    """A contraction reads through all copies of its operands, any other op through broadcasts; returns the op that
    stands for `op` (itself if nothing changed)."""
    operands, reads, changed = list(op.operands), accesses(op), False
    for i in range(input_count(op)):
        while (copy := _copy_behind(operands[i])) is not None and (is_contraction(op) or repeats(copy)):
            composed = _compose(reads[i], copy)
            if composed is None:
                break
            operands[i], reads[i], changed = copy.operands[0], composed, True
    if not changed or unsized_loops(reads, len(iterators(op))):
        return op
    return replace(op, operands, reads, iterators(op), {i: i for i in range(len(iterators(op)))})


@rewrite("permuted-index")
def fold_result_copy(op: Any) -> Any:
    """A contraction whose only reader transposes its result writes it transposed; returns the op in its
    place."""
    if not is_contraction(op) or is_convolution(op):  # `propagate-layouts` has decided where their channels lie
        return op
    users = [use.owner.operation for use in op.results[0].uses]
    if len(users) != 1 or not is_generic(users[0]) or not is_copy(users[0]):
        return op
    copy, init = users[0], inits(op)[0]
    filled = owner(init)
    reads, written = accesses(copy)
    whole = is_permutation(reads) and is_permutation(written) and len(reads) == len(written)
    target = owner(inits(copy)[0])
    if not whole or filled is None or not is_fill(filled) or target is None or target.name != "tensor.empty":
        return op
    at = {r.loop: accesses(op)[-1][position] for position, r in enumerate(reads) if r is not None}
    moved = tuple(at[w.loop] for w in written if w is not None)
    with ir.InsertionPoint(copy), op.location:
        start = linalg.fill(filled.operands[0], outs=[target.results[0]])
        operands, loops = [*inputs(op), start], len(iterators(op))
        made = rebuild(op, operands, [*accesses(op)[:-1], moved], iterators(op), {i: i for i in range(loops)})
    copy.results[0].replace_all_uses_with(made.results[0])
    copy.operands[0] = inits(copy)[0]  # dead now, and no reader of the contraction any more
    op.erase()
    return made


@rewrite("sum-onto-zero")
def separate_init(op: Any) -> Any:
    """A contraction that accumulates onto a tensor sums onto zero instead and adds the tensor afterwards, so that what
    makes the tensor (the broadcast of a bias) can join the kernel's epilogue."""
    if not is_contraction(op):
        return op
    init = inits(op)[0]
    maker = owner(init)
    if maker is None or not _elementwise_behind(maker):
        return op
    element = init.type.element_type
    with ir.InsertionPoint(op), op.location:
        zero = arith.ConstantOp(element, _zero(element)).result
        target = tensor.empty([extent(init, i) for i in range(init.type.rank)], element)
        operands, loops = [*inputs(op), linalg.fill(zero, outs=[target])], len(iterators(op))
        made = rebuild(op, operands, accesses(op), iterators(op), {i: i for i in range(loops)})
        added = elementwise([made.results[0], init], target, _sum)
    op.results[0].replace_all_uses_with(added)
    op.erase()
    return made


def _elementwise_behind(maker: Any) -> bool:
    """Whether a tensor is made elementwise, reshapes aside."""
    while maker is not None and maker.name in ("tensor.expand_shape", "tensor.collapse_shape"):
        maker = owner(maker.operands[0])
    return maker is not None and is_elementwise(maker)


def _zero(element: Any) -> Any:
    return ir.FloatAttr.get(element, 0.0) if "f" in str(element) else ir.IntegerAttr.get(element, 0)


def _sum(arguments: Any) -> Any:
    left, right = arguments[0], arguments[1]
    return (arith.AddFOp if "f" in str(left.type) else arith.AddIOp)(left, right).result


def repeats(copy: Any) -> bool:
    """Whether a copy writes elements of its source several times: such a broadcast is better read where it is used."""
    return not is_permutation(accesses(copy)[0]) or len(accesses(copy)[0]) < len(accesses(copy)[1])


def _copy_behind(value: Any) -> Any | None:
    op = owner(value) if is_tensor(value) else None
    if op is None or not is_generic(op) or not is_copy(op) or not is_tensor(op.operands[0]):
        return None
    return None if REDUCTION in iterators(op) or not is_permutation(accesses(op)[1]) else op


def _compose(read: Access, copy: Any) -> Access | None:
    """How the copy's source is read where the copy was read through `read`."""
    source, written = accesses(copy)
    at = {r.loop: read[position] for position, r in enumerate(written) if r is not None}
    composed: list[Linear | None] = []
    for result in source:
        if result is None or (result.terms and result.loop is None):
            return None
        composed.append(at[result.loop] if result.terms else result)
    return tuple(composed)
