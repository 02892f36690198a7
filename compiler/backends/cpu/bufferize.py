"""Kernels from tensors to buffers: destination-passing functions on memrefs that return nothing."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import memref

from stratagem.compiler.backends.cpu.complete_scans import complete_scans
from stratagem.compiler.ir import functions, run_pipeline, symbol_name, walk
from stratagem.runtime.errors import PassError

_PREPARE = (
    "builtin.module(func.func(linalg-generalize-named-ops,refback-generalize-tensor-pad,"
    "refback-generalize-tensor-concat,tm-tensor-bufferize),canonicalize,cse)"
)
_BUFFERIZE = (
    "builtin.module(eliminate-empty-tensors,"
    "one-shot-bufferize{bufferize-function-boundaries allow-return-allocs-from-loops "
    "function-boundary-type-conversion=identity-layout-map},"
    "func.func(tm-tensor-to-loops),linalg-generalize-named-ops,fold-memref-alias-ops,canonicalize,cse)"
)


def bufferize_kernels(module: Any) -> None:
    """Rewrites every function of the module in place.

    `@k(%in: tensor, %out: tensor {device.dest}) -> tensor` becomes `@k(%in: memref, %out: memref)`; inputs are never
    written. All buffers are dense and row-major at the function's boundary.
    """
    with module.context, ir.Location.unknown():
        destinations = {symbol_name(f): _mark_arguments(f) for f in functions(module)}
    complete_scans(module)
    run_pipeline(module, _PREPARE)
    _declare_fresh(module)
    run_pipeline(module, _BUFFERIZE)
    with module.context, ir.Location.unknown():
        for function in functions(module):
            if function.regions[0].blocks:
                _return_in_place(function, destinations[symbol_name(function)])
        _tidy_allocations(module)


def _declare_fresh(module: Any) -> None:
    """Scans, sorts and scatters were given buffers of their own: says so, as the analysis of the others demands.

    That analysis takes `to_buffer` for the moment when the tensor is read, so each reader gets one of its own, just
    before it: what is written between an early one and its reader could be written over the tensor.
    """
    with module.context, ir.Location.unknown():
        for op in list(walk(module.operation)):
            if op.name == "bufferization.to_tensor":
                op.attributes["restrict"] = ir.UnitAttr.get()
            elif op.name == "bufferization.to_buffer":
                _read_late(op)


def _read_late(op: Any) -> None:
    """Replaces a `to_buffer` by one just before each of its readers."""
    for use in list(op.results[0].uses):
        reader = use.owner.operation
        with ir.InsertionPoint(reader):
            reader.operands[use.operand_number] = op.clone().operation.results[0]
    op.erase()


def destination_arguments(function: Any) -> list[int]:
    """Positions of the arguments marked `device.dest`, in order."""
    if "arg_attrs" not in function.attributes:
        return []
    return [i for i, d in enumerate(ir.ArrayAttr(function.attributes["arg_attrs"])) if "device.dest" in ir.DictAttr(d)]


def _mark_arguments(function: Any) -> list[int]:
    """Writes into `bufferization.writable` which arguments may be written; returns the destinations' positions."""
    destinations = destination_arguments(function)
    kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    if len(destinations) != len(kind.results):
        raise PassError(
            f"kernel '{symbol_name(function)}' has {len(kind.results)} results and {len(destinations)} destinations",
            hint="mark one argument per result with the attribute device.dest",
        )
    marks = []
    for i, argument in enumerate(kind.inputs):
        writable = {"bufferization.writable": ir.BoolAttr.get(i in destinations)}
        marks.append(ir.DictAttr.get(writable if isinstance(argument, ir.RankedTensorType) else {}))
    if marks:
        function.attributes["arg_attrs"] = ir.ArrayAttr.get(marks)
    return destinations


def _return_in_place(function: Any, destinations: list[int]) -> None:
    """Drops the results; one that is not its destination's buffer is copied there first."""
    block = function.regions[0].blocks[0]
    end = block.operations[len(block.operations) - 1]
    arguments = list(block.arguments)
    with ir.InsertionPoint(end):
        for result, position in zip(list(end.operation.operands), destinations, strict=True):
            if result != arguments[position]:
                memref.CopyOp(result, arguments[position])
        ir.Operation.create("func.return")
    end.operation.erase()
    kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(kind.inputs, []))
    for name in ("res_attrs", "arg_attrs"):
        if name in function.attributes:
            del function.attributes[name]


def _tidy_allocations(module: Any) -> None:
    """Drops alignment requests (our allocator always gives 64 bytes), releases (scratch goes with its scope) and copies
    of a buffer onto itself."""
    for op in list(walk(module.operation)):
        if op.name == "memref.alloc" and "alignment" in op.attributes:
            del op.attributes["alignment"]
        elif op.name == "memref.dealloc" or (op.name == "memref.copy" and op.operands[0] == op.operands[1]):
            op.erase()
