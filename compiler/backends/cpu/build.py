"""Short names for the operations that every rewrite of this backend builds.

Loop arithmetic is done on `Size`: a Python int where the value is known, else an SSA value of type i64. Known parts
fold, so that the generated code holds no arithmetic on constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, llvm, scf

Size = Any  # int | ir.Value of type i64

DYNAMIC_INDEX = -(2**31)
"""In `llvm.getelementptr`: the position is an operand (LLVM::GEPOp::kDynamicIndex)."""


def parse_type(text: str) -> Any:
    return ir.Type.parse(text)


def constant_index(value: int) -> Any:
    return arith.constant(ir.IndexType.get(), value)


def index_to_i64(value: Any) -> Any:
    return arith.index_cast(parse_type("i64"), value)


def i64(size: Size) -> Any:
    """The size as an SSA value."""
    return arith.constant(parse_type("i64"), size) if isinstance(size, int) else size


def add(a: Size, b: Size) -> Size:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if isinstance(a, int) and a == 0:
        return b
    return a if isinstance(b, int) and b == 0 else arith.addi(i64(a), i64(b))


def sub(a: Size, b: Size) -> Size:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return a if isinstance(b, int) and b == 0 else arith.subi(i64(a), i64(b))


def mul(a: Size, b: Size) -> Size:
    for one, other in ((a, b), (b, a)):
        if isinstance(one, int) and one == 1:
            return other
        if isinstance(one, int) and one == 0:
            return 0
    return a * b if isinstance(a, int) and isinstance(b, int) else arith.muli(i64(a), i64(b))


def round_down(a: Size, step: int) -> Size:
    """The largest multiple of `step` not above `a`."""
    if isinstance(a, int):
        return a // step * step
    return a if step == 1 else arith.muli(arith.divui(a, i64(step)), i64(step))


def loop(begin: Size, end: Size, step: int, body: Callable[[Size], None]) -> None:
    """A loop without carried values; no loop where the trip count is known to be 0 or 1."""
    if isinstance(begin, int) and isinstance(end, int) and end - begin <= step:
        if end > begin:
            body(begin)
        return
    op = scf.ForOp(i64(begin), i64(end), i64(step))
    with ir.InsertionPoint(op.body):
        body(op.induction_variable)
        scf.YieldOp([])


def carrying_loop(
    begin: Size, end: Size, step: int, carried: Sequence[Any], body: Callable[[Size, list[Any]], list[Any]]
) -> list[Any]:
    """A loop with carried values; `body(iv, values)` gives the next values. Returns the last ones."""
    if isinstance(begin, int) and isinstance(end, int) and end - begin <= step:
        return body(begin, list(carried)) if end > begin else list(carried)
    op = scf.ForOp(i64(begin), i64(end), i64(step), list(carried))
    with ir.InsertionPoint(op.body):
        scf.YieldOp(body(op.induction_variable, list(op.inner_iter_args)))
    return list(op.results)


def vector_type(lanes: int, element: Any) -> Any:
    return ir.VectorType.get([lanes], element)


def splat(value: Any, lanes: int) -> Any:
    """A scalar in every lane; vectors pass."""
    if isinstance(value.type, ir.VectorType):
        return value
    kind = vector_type(lanes, value.type)
    return ir.Operation.create("vector.broadcast", results=[kind], operands=[value]).result


def element_pointer(pointer: Any, offset: Size, element: Any) -> Any:
    """The address of element `offset` behind `pointer`."""
    if isinstance(offset, int) and offset == 0:
        return pointer
    constant = isinstance(offset, int) and abs(offset) < 2**31
    indices, raw = ([], [offset]) if constant else ([i64(offset)], [DYNAMIC_INDEX])
    flags = ir.IntegerAttr.get(parse_type("i32"), 0)
    return llvm.GEPOp(pointer.type, pointer, indices, raw, element, flags).result


def lane_mask(active: Any, lanes: int) -> Any:
    """vector<lanes x i1>: true in the first `active` (i64) lanes."""
    kind = vector_type(lanes, parse_type("i32"))
    numbers = ir.DenseElementsAttr.get([ir.IntegerAttr.get(parse_type("i32"), i) for i in range(lanes)], kind)
    count = arith.trunci(parse_type("i32"), i64(active))
    return arith.cmpi(arith.CmpIPredicate.slt, arith.constant(kind, numbers), splat(count, lanes))


def all_lanes(truths: Any) -> Any:
    """Whether a truth value holds in every lane; a scalar is itself."""
    if not isinstance(truths.type, ir.VectorType):
        return truths
    kind = ir.Attribute.parse("#vector.kind<and>")
    operation = ir.Operation.create(
        "vector.reduction", results=[parse_type("i1")], operands=[truths], attributes={"kind": kind}
    )
    return operation.result
