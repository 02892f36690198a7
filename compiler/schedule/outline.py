"""Moves a group of ops into a private function that writes into destinations given by its caller.

Before: ops in a block, reading values from before it. After: `func.call @kernel(inputs..., destinations...)`, one
result per destination. A scalar constant moves in; every other outside value becomes an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import func, linalg, tensor

from stratagem.compiler.schedule import index
from stratagem.compiler.schedule.clone import Mapping, clone
from stratagem.compiler.schedule.dims import KernelDims, analyse
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.frames import frame, padding_scalar
from stratagem.compiler.schedule.structured import (
    Linear,
    accesses,
    captured,
    inits,
    input_count,
    inputs,
    is_fill,
    is_generic,
    is_structured,
    is_tensor,
    output_accesses,
    owner,
    reads,
)
from stratagem.compiler.schedule.writes import copy_into, spread, write_into


def outputs_of(ops: Sequence[Any]) -> list[Any]:
    """Results of `ops` that something outside of them uses, in order."""
    inside = set(ops)
    return [r for op in ops for r in op.results if any(_outer_op(u.owner, op) not in inside for u in r.uses)]


def _outer_op(user: Any, like: Any) -> Any:
    """The op around `user` that sits in the same block as `like`."""
    op = user.operation
    while op.block != like.block:
        op = op.parent.operation
    return op


def inputs_of(ops: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """What a kernel of `ops` needs: values to pass, and ops (fills, constants, empties) to repeat inside
    it."""
    inside, passed, repeated = set(ops), [], []
    pending = [v for op in ops for v in reads(op)]
    seen: set[Any] = set()
    for value in pending:
        if value in seen:
            continue
        seen.add(value)
        made_by = owner(value)
        if made_by in inside:
            continue
        if made_by is not None and _repeatable(made_by):
            repeated.append(made_by)
            pending.extend(reads(made_by))
        else:
            passed.append(value)
    return passed, repeated


def _repeatable(op: Any) -> bool:
    if op.name == "arith.constant":
        return not is_tensor(op.results[0])
    return is_fill(op) or op.name == "tensor.empty"


def outline(ops: Sequence[Any], name: str, module: Any, before: Any) -> Any:
    """Makes the function at the end of `module` and the call before op `before`; returns the call.

    The ops stay, without users. Extents of results are computed where the call is.
    """
    results = outputs_of(ops)
    passed, repeated = inputs_of(ops)
    with ir.Location.fused([op.location for op in ops[:4]]):
        function = _function(module, name, passed, results)
        _fill_function(function, ops, passed, repeated, results)
        kept = _drop_unused(function, passed)
        with ir.InsertionPoint(before):
            targets = [_destination(v, ops, kept) for v in results]
            call = func.CallOp([v.type for v in results], name, [*kept, *targets])
    for old, new in zip(results, call.results, strict=True):
        old.replace_all_uses_with(new)
    return call.operation


def _drop_unused(function: Any, passed: list[Any]) -> list[Any]:
    """Removes arguments that the body does not read; returns the values still to pass."""
    block = function.regions[0].blocks[0]
    idle = [i for i in range(len(passed)) if not list(block.arguments[i].uses)]
    for i in reversed(idle):
        block.erase_argument(i)
    attributes = [a for i, a in enumerate(ir.ArrayAttr(function.attributes["arg_attrs"])) if i not in idle]
    results = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).results
    kind = ir.FunctionType.get([a.type for a in block.arguments], results)
    function.attributes["function_type"] = ir.TypeAttr.get(kind)
    function.attributes["arg_attrs"] = ir.ArrayAttr.get(attributes)
    return [v for i, v in enumerate(passed) if i not in idle]


def _destination(value: Any, ops: Sequence[Any], given: Sequence[Any]) -> Any:
    """An empty tensor for a result; its dynamic sizes are those of a tensor given to the kernel where one is tied to
    them, so that callers and checkers see that the sizes agree."""
    sizes = []
    dims: KernelDims | None = None
    for position in range(value.type.rank):
        size = None
        if value.type.is_dynamic_dim(position) and is_generic(owner(value)):
            dims = dims or analyse(list(ops))
            size = _tied_size(value, position, dims, given)
        sizes.append(extent(value, position) if size is None else size)
    return tensor.empty(sizes, value.type.element_type)


def _tied_size(value: Any, position: int, dims: KernelDims, given: Sequence[Any]) -> Any | None:
    """The extent of a given tensor along the kernel dimension that dimension `position` of `value` runs
    over."""
    op = owner(value)
    result = list(op.results).index(value)
    written = dims.loops[op].accesses[input_count(op) + result][position]
    if written is None or written.loop is None:
        return None
    dim = dims.loops[op].dims[written.loop]
    for loops in dims.loops.values():
        for operand, access in zip(loops.op.operands, loops.accesses, strict=True):
            if operand not in given or not is_tensor(operand):
                continue
            for at, read in enumerate(access):
                if read is not None and read.loop is not None and loops.dims[read.loop] == dim:
                    return index.dim(operand, at)
    return None


def _function(module: Any, name: str, passed: list[Any], results: list[Any]) -> Any:
    kinds = [v.type for v in passed] + [v.type for v in results]
    with ir.InsertionPoint(module.body):
        function = func.FuncOp(name, (kinds, [v.type for v in results]), visibility="private")
    function.add_entry_block()
    plain, marked = ir.DictAttr.get({}), ir.DictAttr.get({"device.dest": ir.UnitAttr.get()})
    function.attributes["arg_attrs"] = ir.ArrayAttr.get([plain] * len(passed) + [marked] * len(results))
    return function


def _fill_function(
    function: Any, ops: Sequence[Any], passed: list[Any], repeated: list[Any], results: list[Any]
) -> None:
    arguments = list(function.regions[0].blocks[0].arguments)
    mapping: Mapping = dict(zip(passed, arguments, strict=False))
    targets = arguments[len(passed) :]
    writes = {v: targets[i] for i, v in enumerate(results)}
    with ir.InsertionPoint(function.regions[0].blocks[0]):
        for op in _in_order(repeated):
            if op.name != "tensor.empty" and not is_fill(op):
                clone(op, mapping)
        for op in ops:
            _copy_op(op, mapping, writes)
        func.ReturnOp([mapping[v] for v in results])


def _in_order(ops: list[Any]) -> list[Any]:
    """Inner needs first: constants before the fills that use them."""
    return list(reversed(ops))


def _copy_op(op: Any, mapping: Mapping, writes: dict[Any, Any]) -> None:
    """Copies one op; results that leave the kernel are written into their destination."""
    wanted = [writes.get(r) for r in op.results]
    if is_fill(op) and wanted[0] is not None:
        scalar = op.operands[0]
        mapping[op.results[0]] = spread(mapping.get(scalar, scalar), wanted[0])
        return
    if not is_structured(op):
        _ready(reads(op), mapping)
        if _is_frame_of_kernel(op, mapping):
            scalar = padding_scalar(op)
            mapping[op.results[0]] = frame(op, mapping[op.operands[0]], mapping.get(scalar, scalar), wanted[0])
        else:
            write_into(op, mapping, wanted)
        return
    starts = [_init(op, init, target, mapping) for init, target in zip(inits(op), wanted, strict=True)]
    _ready([*inputs(op), *captured(op)], mapping)
    copy = clone(op, mapping)
    # By place, not by value: a tensor that two results start from goes to two destinations, and one that is also read
    # stays what it was where it is read.
    for place, start in enumerate(starts, input_count(op)):
        copy.operands[place] = start


def _is_frame_of_kernel(op: Any, mapping: Mapping) -> bool:
    """Whether an op pads what a generic of the same kernel makes."""
    maker = owner(mapping[op.operands[0]]) if op.name == "tensor.pad" else None
    return maker is not None and is_generic(maker)


def _init(op: Any, init: Any, target: Any | None, mapping: Mapping) -> Any:
    """What a structured op overwrites: its destination, prepared as the original init was."""
    if init in mapping:
        return mapping[init] if target is None else copy_into(mapping[init], target)
    made_by = owner(init)
    if made_by.name == "tensor.empty":
        return target if target is not None else _empty_for(op, init, mapping)
    inner = _init(op, made_by.operands[1], target, mapping)
    scalar = mapping.get(made_by.operands[0], made_by.operands[0])
    return linalg.fill(scalar, outs=[inner])


def _empty_for(op: Any, init: Any, mapping: Mapping) -> Any:
    """An empty of the type of `init`, its dynamic sizes read from what `op` reads where possible."""
    written = next(a for v, a in zip(inits(op), output_accesses(op), strict=True) if _root(v) == init)
    sizes = [_size(op, init, position, result, mapping) for position, result in enumerate(written)]
    return tensor.empty(sizes, init.type.element_type)


def _root(value: Any) -> Any:
    op = owner(value)
    while op is not None and is_fill(op):
        value = op.operands[1]
        op = owner(value)
    return value


def _size(op: Any, init: Any, position: int, written: Linear | None, mapping: Mapping) -> Any:
    if not init.type.is_dynamic_dim(position):
        return int(init.type.get_dim_size(position))
    for value, read in zip(inputs(op), accesses(op), strict=False):
        for at, result in enumerate(read):
            same = result is not None and written is not None and result.loop == written.loop is not None
            if same and is_tensor(value) and value in mapping:
                return extent(mapping[value], at)
    size = extent(init, position)
    return mapping.get(size, size)


def _ready(values: list[Any], mapping: Mapping) -> None:
    """Repeats the fills and empties among `values` that the kernel has not made yet."""
    for value in values:
        made_by = owner(value)
        if value in mapping or made_by is None:
            continue
        if is_fill(made_by) or made_by.name == "tensor.empty":
            _ready(reads(made_by), mapping)
            clone(made_by, mapping)
