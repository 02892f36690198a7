"""Copies between buffers: a block copy where both are dense, loops over the elements elsewhere."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import memref, scf

from stratagem.compiler.backends.cpu.build import constant_index
from stratagem.compiler.ir import walk


def lower_copies(module: Any) -> None:
    """Rewrites every `memref.copy` that is not dense on both sides; dense ones become `memcpy` further down."""
    with module.context, ir.Location.unknown():
        for op in list(walk(module.operation)):
            if op.name == "memref.copy" and not all(_is_dense(v.type) for v in op.operands):
                _copy_by_loops(op)


def _is_dense(kind: Any) -> bool:
    return str(ir.MemRefType(kind).layout).startswith("affine_map") and _is_identity(ir.MemRefType(kind))


def _copy_by_loops(op: Any) -> None:
    source, target = op.operands
    with ir.InsertionPoint(op):
        _nest(source, target, [])
    op.erase()


def _nest(source: Any, target: Any, ivs: list[Any]) -> None:
    if len(ivs) == ir.MemRefType(source.type).rank:
        memref.store(memref.load(source, ivs), target, ivs)
        return
    size = memref.dim(source, constant_index(len(ivs)))
    loop = scf.ForOp(constant_index(0), size, constant_index(1))
    with ir.InsertionPoint(loop.body):
        _nest(source, target, [*ivs, loop.induction_variable])
        scf.YieldOp([])


def _is_identity(kind: Any) -> bool:
    """Whether a memref type is plain row-major."""
    return bool(kind.affine_map == ir.AffineMap.get_identity(kind.rank))
