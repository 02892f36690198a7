"""The `system` dialect: what an SPMD program over several devices adds to tensor maths.

Programs of this level are written once per member kind and run by every rank of a mesh. Ranks meet only in these ops.
A collective names the mesh axis it runs over; every rank of that axis executes the same sequence of collectives, so
there is no deadlock by construction. Shapes are local shapes. Tensors in, tensors out: nothing here has a layout.
"""

# No `from __future__ import annotations` here: the bindings read the field types of each op when its class is made.

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

REDUCTIONS = ("sum", "max", "min", "prod")


class System(ext.Dialect, name="system"):
    """Collectives and transfers between members of a system."""


def _fail(op: Any, message: str) -> bool:
    op.location.emit_error(f"{op.operation.name}: {message}")
    return False


def _text(op: Any, key: str) -> str:
    return str(ir.StringAttr(op.attributes[key]).value) if key in op.attributes else ""


def _shape(value: Any) -> list[int]:
    kind = ir.RankedTensorType(value.type)
    dynamic = ir.ShapedType.get_dynamic_size()
    return [dynamic if kind.is_dynamic_dim(i) else kind.get_dim_size(i) for i in range(kind.rank)]


def _dim_in_range(op: Any) -> bool:
    dim = ir.IntegerAttr(op.attributes["dim"]).value
    rank = len(_shape(op.operation.operands[0]))
    return 0 <= dim < rank or _fail(op, f"dimension {dim} is outside a tensor of rank {rank}")


def _reduction_known(op: Any) -> bool:
    kind = _text(op, "reduction")
    return kind in REDUCTIONS or _fail(op, f"reduction '{kind}' is none of {', '.join(REDUCTIONS)}")


def _axis_given(op: Any) -> bool:
    return bool(_text(op, "axis")) or _fail(op, "needs the mesh axis it runs over")


class RankOp(System.Operation, name="rank", traits=[ext.Pure]):
    """This rank's place on the mesh axis `axis`, from 0."""

    axis: ir.StringAttr
    result: ext.Result[ir.IndexType] = ext.result(default_factory=ir.IndexType.get)

    @staticmethod
    def verify_invariants(op: Any) -> bool:
        return _axis_given(op)


class TransferOp(System.Operation, name="transfer"):
    """Moves a tensor from member `source` to member `target`; the value does not change."""

    operand: ext.Operand[Any]
    source: ir.StringAttr
    target: ir.StringAttr
    result: ext.Result[Any]

    @staticmethod
    def verify_invariants(op: Any) -> bool:
        same = op.operation.operands[0].type == op.operation.results[0].type
        return same or _fail(op, "a transfer does not change the type")


class AllReduceOp(System.Operation, name="all_reduce"):
    """Every rank of `axis` receives the elementwise `reduction` of all ranks' operands."""

    operand: ext.Operand[Any]
    axis: ir.StringAttr
    reduction: ir.StringAttr
    result: ext.Result[Any]

    @staticmethod
    def verify_invariants(op: Any) -> bool:
        same = op.operation.operands[0].type == op.operation.results[0].type
        return _axis_given(op) and _reduction_known(op) and (same or _fail(op, "an all_reduce keeps the type"))


class AllGatherOp(System.Operation, name="all_gather"):
    """Every rank of `axis` receives all ranks' operands, concatenated in rank order along `dim`."""

    operand: ext.Operand[Any]
    axis: ir.StringAttr
    dim: ir.IntegerAttr
    result: ext.Result[Any]

    @staticmethod
    def verify_invariants(op: Any) -> bool:
        return _axis_given(op) and _dim_in_range(op)


class ReduceScatterOp(System.Operation, name="reduce_scatter"):
    """The `reduction` of all operands, cut along `dim` into one equal part per rank of `axis`."""

    operand: ext.Operand[Any]
    axis: ir.StringAttr
    dim: ir.IntegerAttr
    reduction: ir.StringAttr
    result: ext.Result[Any]

    @staticmethod
    def verify_invariants(op: Any) -> bool:
        return _axis_given(op) and _reduction_known(op) and _dim_in_range(op)
