"""Small pieces of LLVM IR around generated code: the entry that unpacks arguments, the instructions that it all needs,
stubs that pack arguments for drivers, and adaptors from collectives on memrefs to the runtime's, on plain memory.

Both speak MLIR's C interface: every memref is a pointer to its descriptor, results are one struct behind a leading
pointer. An index argument of a kernel is passed by value; a stub spills it, so that drivers see pointers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import symbol_name
from stratagem.runtime.errors import UnsupportedError


def entry_text(main: Any) -> str:
    """`void sg_entry(ptr arguments)`: loads each pointer and calls the host program."""
    kind = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    count = len(kind.inputs) + (1 if len(kind.results) else 0)
    lines = []
    for i in range(count):
        lines.append(f"  %p{i} = getelementptr ptr, ptr %arguments, i64 {i}")
        lines.append(f"  %v{i} = load ptr, ptr %p{i}, align 8")
    types, values = ", ".join(["ptr"] * count), ", ".join(f"ptr %v{i}" for i in range(count))
    body = "\n".join([*lines, f"  call void @_mlir_ciface_main({values})", "  ret void"])
    return f"declare void @_mlir_ciface_main({types})\n\ndefine void @sg_entry(ptr %arguments) {{\n{body}\n}}\n"


def instructions_text(flags: Sequence[str]) -> str:
    """`sg_instructions`: what the processor must have, for the runtime to read before it calls anything."""
    text = " ".join(flags)
    return f'@sg_instructions = constant [{len(text) + 1} x i8] c"{text}\\00"\n'


def stub_text(kernel: Any, number: int) -> str:
    """`_mlir_ciface_<kernel>` for a kernel that a driver runs: packs its arguments and calls the runtime."""
    kind = ir.FunctionType(ir.TypeAttr(kernel.attributes["function_type"]).value)
    inputs = list(kind.inputs)
    types = ["ptr" if isinstance(t, ir.RankedTensorType) else _scalar(t) for t in inputs]
    lines = [f"  %pack = alloca [{max(1, len(inputs))} x ptr], align 8"]
    for i, kind_ in enumerate(types):
        value = f"%a{i}"
        if kind_ != "ptr":
            lines += [f"  %s{i} = alloca {kind_}, align 8", f"  store {kind_} {value}, ptr %s{i}, align 8"]
            value = f"%s{i}"
        lines += [f"  %q{i} = getelementptr ptr, ptr %pack, i64 {i}", f"  store ptr {value}, ptr %q{i}, align 8"]
    lines += [f"  call void @sg_driver_call(i64 {number}, ptr %pack, i64 {len(inputs)})", "  ret void"]
    arguments = ", ".join(f"{t} %a{i}" for i, t in enumerate(types))
    return f"define void @_mlir_ciface_{symbol_name(kernel)}({arguments}) {{\n" + "\n".join(lines) + "\n}\n"


def _scalar(kind: Any) -> str:
    """The LLVM spelling of a scalar type."""
    names = {"index": "i64", "f32": "float", "f64": "double", "f16": "half", "bf16": "bfloat"}
    return names.get(str(kind), str(kind))


RUNTIME_DECLARATIONS = """declare void @sg_driver_call(i64, ptr, i64)
declare void @sg_all_reduce(i64, ptr, ptr, i64, i32, i32)
declare void @sg_all_gather(i64, ptr, ptr, i64, i32)
declare void @sg_reduce_scatter(i64, ptr, ptr, i64, i32, i32)
"""
RUNTIME_DTYPES = {"f32": 0, "f64": 1, "i32": 2, "i64": 3, "i8": 4}
RUNTIME_REDUCTIONS = {"sum": 0, "max": 1, "min": 2}
"""The numbers of `sg_dtype` and `sg_reduction` in runtime.h."""


def collective_text(declaration: Any) -> str:
    """`_mlir_ciface_<name>(source, destination)` in terms of the runtime's collective of that kind.

    The count is the number of elements of the part every rank holds: all of the source, or for a reduce_scatter all of
    the destination.
    """
    claims = ir.DictAttr(declaration.attributes["physical.collective"])
    kind = str(ir.StringAttr(claims["kind"]).value)
    dtype = str(ir.TypeAttr(claims["dtype"]).value)
    if dtype not in RUNTIME_DTYPES:
        raise UnsupportedError(f"{kind} of {dtype}", hint=f"collectives carry {', '.join(RUNTIME_DTYPES)}")
    types = ir.FunctionType(ir.TypeAttr(declaration.attributes["function_type"]).value).inputs
    counted = 1 if kind == "reduce_scatter" else 0
    lines, count = _element_count(counted, ir.MemRefType(types[counted]).rank)
    reduction = (
        f", i32 {RUNTIME_REDUCTIONS[str(ir.StringAttr(claims['reduction']).value)]}" if "reduction" in claims else ""
    )
    lines += _data_pointer("source", 0) + _data_pointer("target", 1)
    arguments = f"i64 0, ptr %source, ptr %target, i64 {count}, i32 {RUNTIME_DTYPES[dtype]}{reduction}"
    lines += [f"  call void @sg_{kind}({arguments})", "  ret void"]
    return f"define void @_mlir_ciface_{symbol_name(declaration)}(ptr %d0, ptr %d1) {{\n" + "\n".join(lines) + "\n}\n"


def _element_count(descriptor: int, rank: int) -> tuple[list[str], str]:
    """Code that multiplies the sizes in a descriptor; they start at its fourth word."""
    lines, total = [], "1"
    for i in range(rank):
        lines += [
            f"  %sp{i} = getelementptr i64, ptr %d{descriptor}, i64 {3 + i}",
            f"  %s{i} = load i64, ptr %sp{i}, align 8",
            f"  %n{i} = mul i64 {total}, %s{i}",
        ]
        total = f"%n{i}"
    return lines, total


def _data_pointer(name: str, descriptor: int) -> list[str]:
    """Code that reads the aligned pointer; bufferized arguments have offset 0."""
    return [
        f"  %{name}p = getelementptr ptr, ptr %d{descriptor}, i64 1",
        f"  %{name} = load ptr, ptr %{name}p, align 8",
    ]
