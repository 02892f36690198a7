"""bufferize-host: the host program moves from tensors to buffers, kernels move into one module per member.

Before: one module, @main and kernels on tensors. After: @main on memrefs calling kernel declarations in
destination-passing style, and `module @<member> { kernels }`, still in tensor form, for that member's backend.

Upstream one-shot bufferization decides which values share a buffer. It needs to know what a kernel reads and writes,
not how, so each kernel is represented by a stub that reads its inputs and overwrites (or updates) its destinations.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir
from torch_mlir.dialects import arith, memref

from stratagem.compiler.analysis.constant_buffers import may_be_constant
from stratagem.compiler.ir import (
    find_function,
    functions,
    local_text,
    location_text,
    parse_module,
    run_pipeline,
    set_level,
    symbol_name,
    walk,
)
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import PassError

HOST = "host"
COLLECTIVE, MEMBER = "physical.collective", "system.member"
BUFFERIZE = (
    "builtin.module(one-shot-bufferize{bufferize-function-boundaries allow-return-allocs-from-loops "
    "function-boundary-type-conversion=identity-layout-map},drop-equivalent-buffer-results,canonicalize,cse)"
)


@dataclass(frozen=True)
class BufferizeHost(Pass):
    name: ClassVar[str] = "bufferize-host"

    def apply(self, program: Program, context: PassContext) -> None:
        module = program.module
        members = member_of_kernels(module)
        updating = kernels_with_live_destinations(module, members)
        kernels = {name: local_text(find_function(module, name)) for name in members}
        collectives = {
            symbol_name(f): f.attributes[COLLECTIVE] for f in functions(module) if COLLECTIVE in f.attributes
        }
        called = [*members, *collectives]
        rest = [local_text(f) for f in functions(module) if symbol_name(f) not in called]
        stubs = [stub(find_function(module, name), name in updating) for name in called]
        host = parse_module("module {\n" + "\n".join(rest + stubs) + "\n}", module.context)
        run_pipeline(host, BUFFERIZE)
        with host.context, ir.Location.unknown():
            copy_constant_results(find_function(host, "main"))
        declarations = {**dict.fromkeys(members), **collectives}
        program.module = parse_module(_assemble(host, module, kernels, members, declarations), module.context)
        set_level(program.module, "physical")


def copy_constant_results(main: Any) -> None:
    """Returns a copy where a result may be a constant: callers own results and free them."""
    end = list(main.regions[0].blocks[0].operations)[-1].operation
    for number, value in enumerate(end.operands):
        if not may_be_constant(value):
            continue
        with ir.InsertionPoint(end), end.location:
            kind = ir.MemRefType(value.type)
            free = [_extent(value, d) for d in range(kind.rank) if kind.is_dynamic_dim(d)]
            copy = memref.AllocOp(kind, free, []).result
            memref.CopyOp(value, copy)
        end.operands[number] = copy


def _extent(value: Any, dimension: int) -> Any:
    return memref.DimOp(value, arith.ConstantOp(ir.IndexType.get(), dimension).result).result


def member_of_kernels(module: Any) -> dict[str, str]:
    """Kernel name -> the member its calls are placed on, in the order of definition; the host for what nobody calls.

    Raises PassError when a call has no member, or calls of one kernel have several.
    """
    placed: dict[str, str] = {}
    names = [symbol_name(f) for f in functions(module) if "device.kernel" in f.attributes]
    for op in walk(module.operation):
        callee = str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value) if op.name == "func.call" else ""
        if callee not in names:
            continue
        if MEMBER not in op.attributes:
            problem = f"the call of @{callee} has no {MEMBER}; place-kernels gives it one"
            raise PassError(problem, location=location_text(op))
        member = str(ir.StringAttr(op.attributes[MEMBER]).value)
        if placed.setdefault(callee, member) != member:
            problem = f"calls of @{callee} are placed on '{placed[callee]}' and on '{member}'"
            raise PassError(problem, location=location_text(op))
    return {name: placed.get(name, HOST) for name in names}


def kernels_with_live_destinations(module: Any, kernels: dict[str, str]) -> set[str]:
    """Kernels some call of which passes a destination that already holds values (anything but `tensor.empty`)."""
    live = set()
    for op in walk(module.operation):
        if op.name != "func.call":
            continue
        name = str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        count = len(op.results)
        if name in kernels and any(not _is_empty(v) for v in list(op.operands)[len(op.operands) - count :]):
            live.add(name)
    return live


def _is_empty(value: Any) -> bool:
    owner = value.owner
    return not isinstance(owner, ir.Block) and owner.operation.name == "tensor.empty"


def stub(function: Any, updates: bool) -> str:
    """A function with the kernel's signature that reads every input and writes every destination.

    `updates`: the old contents of the destinations matter too.
    """
    signature = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    inputs, count = list(signature.inputs), len(signature.results)
    lines, results = ["%zero_ = arith.constant 0 : index"], []
    for i, kind in enumerate(inputs):
        is_destination = i >= len(inputs) - count
        if not isinstance(kind, ir.RankedTensorType):
            continue
        index = ", ".join(["%zero_"] * ir.RankedTensorType(kind).rank)
        if not is_destination or updates:
            lines.append(f"%r{i} = tensor.extract %a{i}[{index}] : {kind}")
        if is_destination:
            results.append(f"%w{i}")
            lines += _write(i, kind, index, updates)
    arguments = ", ".join(f"%a{i}: {t}" for i, t in enumerate(inputs))
    types = ", ".join(str(t) for t in signature.results)
    tail = f"return {', '.join(results)} : {types}" if results else "return"
    return (
        f"func.func private @{symbol_name(function)}({arguments}) -> ({types}) {{\n" + "\n".join([*lines, tail]) + "\n}"
    )


def _write(i: int, kind: Any, index: str, updates: bool) -> list[str]:
    element = ir.RankedTensorType(kind).element_type
    literal = "0" if isinstance(element, ir.IntegerType | ir.IndexType) else "0.0"
    if str(element) == "i1":
        literal = "false"
    constant = f"%c{i} = arith.constant {literal}" + ("" if literal == "false" else f" : {element}")
    if updates:
        return [constant, f"%w{i} = tensor.insert %c{i} into %a{i}[{index}] : {kind}"]
    return [constant, f"%w{i} = linalg.fill ins(%c{i} : {element}) outs(%a{i} : {kind}) -> {kind}"]


def _assemble(
    host: Any, old: Any, kernels: dict[str, str], members: dict[str, str], declarations: dict[str, Any]
) -> str:
    """The physical module as text: the bufferized host with its constants, declarations for the stubs, kernels grouped
    by member."""
    parts = []
    for view in host.body.operations:
        op = view.operation
        name = symbol_name(op)
        parts.append(_declaration(op, declarations[name]) if name in declarations else local_text(op))
    grouped = defaultdict(list)
    for name, member in members.items():
        grouped[member].append(kernels[name])
    parts += [f"module @{member} {{\n" + "\n".join(texts) + "\n}" for member, texts in grouped.items()]
    attributes = ", ".join(f"{name} = {old.operation.attributes[name]}" for name in old.operation.attributes)
    return f"module attributes {{{attributes}}} {{\n" + "\n".join(parts) + "\n}"


def _declaration(function: Any, collective: Any) -> str:
    """A declaration reached through MLIR's C interface: pointers to memref descriptors."""
    kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    inputs = ", ".join(str(t) for t in kind.inputs)
    claims = f", {COLLECTIVE} = {collective}" if collective is not None else ""
    return f"func.func private @{symbol_name(function)}({inputs}) attributes {{llvm.emit_c_interface{claims}}}"
