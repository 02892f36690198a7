"""Phases become functions that the runtime's thread pool calls.

Before: a kernel with `scf.forall` loops. After: in place of each outermost forall

    sg_parallel_for(units, @kernel.phase0, args)        // args[i] points to captured value i

and two functions per phase: `@kernel.phase0(args, begin, end)` loads the captured values and calls
`@kernel.phase0.body(values..., begin, end)`, a sequential loop over units [begin, end) of the linearised iteration
space. The body takes its buffers as arguments so that they can be declared free of aliases. Inner foralls become
sequential loops.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, func, llvm, scf

from stratagem.compiler.backends.cpu.build import constant_index, index_to_i64, parse_type
from stratagem.compiler.ir import functions, run_pipeline, symbol_name, walk

RUN_PHASE = "sg_parallel_for"
BODY_SUFFIX = ".body"


@dataclass(frozen=True)
class ForallBounds:
    """One (lower, upper, step) per dimension; each an int or an SSA value of type index."""

    lower: list[Any]
    upper: list[Any]
    step: list[Any]

    @staticmethod
    def of(forall: Any) -> ForallBounds:
        operands = list(forall.operands)
        sizes = list(ir.DenseI32ArrayAttr(forall.attributes["operandSegmentSizes"]))
        parts, at = [], 0
        for name, count in zip(("staticLowerBound", "staticUpperBound", "staticStep"), sizes, strict=False):
            dynamic = iter(operands[at : at + count])
            static = list(ir.DenseI64ArrayAttr(forall.attributes[name]))
            parts.append([next(dynamic) if n == ir.ShapedType.get_dynamic_size() else int(n) for n in static])
            at += count
        return ForallBounds(*parts)


@dataclass(frozen=True)
class PhaseBody:
    """A phase's body function: per captured argument its rank (None for scalars) and whether no other argument
    reaches its memory."""

    name: str
    arguments: list[tuple[int | None, bool]]


def outline_phases(module: Any) -> list[PhaseBody]:
    """Outlines every outermost forall of every kernel."""
    bodies: list[PhaseBody] = []
    with module.context, ir.Location.unknown():
        _declare_runtime(module)
        for function in functions(module):
            foralls = _outermost_foralls(function)
            for number, forall in enumerate(foralls):
                bodies.append(_outline(module, function, forall, f"{symbol_name(function)}.phase{number}"))
    run_pipeline(module, "builtin.module(func.func(scf-forall-to-for))")
    return bodies


def _outermost_foralls(op: Any) -> list[Any]:
    found = []
    for region in op.regions:
        for block in region.blocks:
            for child in block.operations:
                inner = child.operation
                found += [inner] if inner.name == "scf.forall" else _outermost_foralls(inner)
    return found


def _declare_runtime(module: Any) -> None:
    kind = ir.FunctionType.get([parse_type("i64"), parse_type("!llvm.ptr"), parse_type("!llvm.ptr")], [])
    with ir.InsertionPoint.at_block_begin(module.body):
        func.FuncOp(RUN_PHASE, kind, visibility="private")


def _outline(module: Any, function: Any, forall: Any, name: str) -> PhaseBody:
    """Moves one forall out of `function`."""
    captured = captured_values(forall)
    bounds = ForallBounds.of(forall)
    captured += [
        v for v in (*bounds.lower, *bounds.upper, *bounds.step) if not isinstance(v, int) and v not in captured
    ]
    body = _make_body(module, forall, bounds, captured, name + BODY_SUFFIX)
    _make_thunk(module, body, captured, name)
    with ir.InsertionPoint(forall):
        units = constant_index(1)
        for count in _counts(bounds):
            units = arith.muli(units, count)
        _launch(function, index_to_i64(units), name, captured)
    forall.erase()
    ranks = [ir.MemRefType(v.type).rank if isinstance(v.type, ir.MemRefType) else None for v in captured]
    return PhaseBody(body, list(zip(ranks, _distinct_buffers(captured), strict=True)) + [(None, False)] * 2)


def captured_values(op: Any) -> list[Any]:
    """Values used inside `op`'s regions and defined outside of them, in order of first use; constants are cloned
    into the region instead, so that the body still knows them."""
    inside = _defined_inside(op)
    captured: list[Any] = []
    constants: dict[Any, Any] = {}
    start = ir.InsertionPoint.at_block_begin(op.regions[0].blocks[0])
    for inner in list(walk(op)):
        for i, value in enumerate(inner.operands):
            if value in inside:
                continue
            if not isinstance(value.owner, ir.Block) and value.owner.operation.name == "arith.constant":
                if value not in constants:
                    constants[value] = value.owner.operation.clone(start).operation.result
                inner.operands[i] = constants[value]
            elif value not in captured:
                captured.append(value)
    return captured


def _defined_inside(op: Any) -> set[Any]:
    """All results and block arguments defined in the regions of `op`."""
    values: set[Any] = set()
    for one in [op, *walk(op)]:
        if one is not op:
            values.update(one.results)
        for region in one.regions:
            for block in region.blocks:
                values.update(block.arguments)
    return values


def _counts(bounds: ForallBounds) -> list[Any]:
    """Units per dimension: ceil((upper - lower) / step), not below 0."""
    counts = []
    for lower, upper, step in zip(bounds.lower, bounds.upper, bounds.step, strict=True):
        if all(isinstance(v, int) for v in (lower, upper, step)):
            counts.append(constant_index(max(0, -((lower - upper) // step))))
            continue
        low, high, by = (constant_index(v) if isinstance(v, int) else v for v in (lower, upper, step))
        counts.append(arith.ceildivsi(arith.maxsi(arith.subi(high, low), constant_index(0)), by))
    return counts


def _make_body(module: Any, forall: Any, bounds: ForallBounds, captured: list[Any], name: str) -> str:
    index = ir.IndexType.get()
    kind = ir.FunctionType.get([v.type for v in captured] + [index, index], [])
    with ir.InsertionPoint(module.body):
        function = func.FuncOp(name, kind)
    function.operation.attributes["llvm.linkage"] = ir.Attribute.parse("#llvm.linkage<internal>")
    function.operation.attributes["passthrough"] = ir.ArrayAttr.get([ir.StringAttr.get("noinline")])
    entry = function.add_entry_block()
    inner = dict(zip(captured, entry.arguments, strict=False))
    begin, end = entry.arguments[len(captured)], entry.arguments[len(captured) + 1]
    local = ForallBounds(*([inner.get(v, v) for v in part] for part in (bounds.lower, bounds.upper, bounds.step)))
    with ir.InsertionPoint(entry):
        counts = _counts(local)
        loop = scf.ForOp(begin, end, constant_index(1))
        func.ReturnOp([])
    with ir.InsertionPoint(loop.body):
        ivs = _delinearise(loop.induction_variable, counts, local)
        terminator = scf.YieldOp([])
    source = forall.regions[0].blocks[0]
    for argument, iv in zip(source.arguments, ivs, strict=True):
        argument.replace_all_uses_with(iv)
    for op in list(source.operations)[:-1]:  # the terminator, scf.forall.in_parallel, is empty on buffers
        op.operation.move_before(terminator.operation)
    _replace_operands(loop.operation, inner)
    return name


def _delinearise(unit: Any, counts: list[Any], bounds: ForallBounds) -> list[Any]:
    """Unit number -> induction variables, the last dimension fastest."""
    ivs: list[Any] = []
    rest = unit
    for d in range(len(counts) - 1, -1, -1):
        position = rest if d == 0 else arith.remui(rest, counts[d])
        rest = rest if d == 0 else arith.divui(rest, counts[d])
        lower, step = (constant_index(v) if isinstance(v, int) else v for v in (bounds.lower[d], bounds.step[d]))
        ivs.insert(0, arith.addi(arith.muli(position, step), lower))
    return ivs


def _replace_operands(op: Any, mapping: dict[Any, Any]) -> None:
    for inner in [op, *walk(op)]:
        for i, value in enumerate(inner.operands):
            if value in mapping:
                inner.operands[i] = mapping[value]


def _storage_type(kind: Any) -> Any:
    """The LLVM type in which a captured value travels: a descriptor struct for memrefs, i64 for index."""
    if isinstance(kind, ir.MemRefType):
        rank = ir.MemRefType(kind).rank
        arrays = f", array<{rank} x i64>, array<{rank} x i64>" if rank else ""
        return parse_type(f"!llvm.struct<(ptr, ptr, i64{arrays})>")
    return parse_type("i64") if isinstance(kind, ir.IndexType) else kind


def _cast(value: Any, kind: Any) -> Any:
    if value.type == kind:
        return value
    return ir.Operation.create("builtin.unrealized_conversion_cast", results=[kind], operands=[value]).result


def _make_thunk(module: Any, body: str, captured: list[Any], name: str) -> None:
    pointer, i64 = parse_type("!llvm.ptr"), parse_type("i64")
    with ir.InsertionPoint(module.body):
        function = func.FuncOp(name, ir.FunctionType.get([pointer, i64, i64], []))
    function.operation.attributes["llvm.linkage"] = ir.Attribute.parse("#llvm.linkage<internal>")
    entry = function.add_entry_block()
    table, begin, end = entry.arguments
    with ir.InsertionPoint(entry):
        values = []
        for i, value in enumerate(captured):
            slot = llvm.LoadOp(pointer, _element_pointer(table, i)).result
            values.append(_cast(llvm.LoadOp(_storage_type(value.type), slot).result, value.type))
        ends = [arith.index_cast(ir.IndexType.get(), v) for v in (begin, end)]
        func.CallOp([], body, [*values, *ends])
        func.ReturnOp([])


def _element_pointer(table: Any, i: int) -> Any:
    pointer = parse_type("!llvm.ptr")
    return llvm.GEPOp(pointer, table, [], [i], pointer, ir.IntegerAttr.get(parse_type("i32"), 0)).result


def _launch(function: Any, units: Any, name: str, captured: list[Any]) -> None:
    """Stores the captured values and their table on the stack, allocated once at the function's entry."""
    pointer = parse_type("!llvm.ptr")
    with ir.InsertionPoint.at_block_begin(function.regions[0].blocks[0]):
        one = arith.constant(parse_type("i64"), 1)
        slots = [llvm.AllocaOp(pointer, one, ir.TypeAttr.get(_storage_type(v.type))).result for v in captured]
        length = arith.constant(parse_type("i64"), max(1, len(captured)))
        table = llvm.AllocaOp(pointer, length, ir.TypeAttr.get(pointer)).result
        for i, slot in enumerate(slots):
            llvm.StoreOp(slot, _element_pointer(table, i))
    for value, slot in zip(captured, slots, strict=True):
        llvm.StoreOp(_cast(value, _storage_type(value.type)), slot)
    kind = ir.FunctionType.get([pointer, parse_type("i64"), parse_type("i64")], [])
    thunk = func.ConstantOp(kind, ir.FlatSymbolRefAttr.get(name)).result
    func.CallOp([], RUN_PHASE, [units, _cast(thunk, pointer), table])


def _distinct_buffers(captured: list[Any]) -> list[bool]:
    """Which captured values are buffers whose memory no other captured value reaches."""
    roots = [buffer_root(v) for v in captured if isinstance(v.type, ir.MemRefType)]
    return [isinstance(v.type, ir.MemRefType) and roots.count(buffer_root(v)) == 1 for v in captured]


def buffer_root(value: Any) -> Any:
    """The argument or allocation that a buffer is a view of."""
    while not isinstance(value.owner, ir.Block) and value.owner.operation.operands:
        op = value.owner.operation
        if not isinstance(op.operands[0].type, ir.MemRefType) or op.name == "memref.alloc":
            break
        value = op.operands[0]
    return value


def argument_bytes(root: Any) -> int | None:
    """Bytes of a buffer that is an argument, None where a size of it is free; 0 for anything else."""
    if not isinstance(root.owner, ir.Block) or not isinstance(root.type, ir.MemRefType):
        return 0
    kind = ir.MemRefType(root.type)
    if ir.ShapedType.get_dynamic_size() in kind.shape:
        return None
    width = 64 if isinstance(kind.element_type, ir.IndexType) else max(8, int(kind.element_type.width))
    return int(prod(kind.shape)) * width // 8
