"""The two small pieces of LLVM IR around generated code: the entry that unpacks arguments, and stubs that pack them.

Both speak MLIR's C interface: every memref is a pointer to its descriptor, results are one struct behind a leading
pointer. An index argument of a kernel is passed by value; a stub spills it, so that drivers see pointers only.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import symbol_name


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
    head = "declare void @sg_driver_call(i64, ptr, i64)\n\n" if number == 0 else ""
    return head + f"define void @_mlir_ciface_{symbol_name(kernel)}({arguments}) {{\n" + "\n".join(lines) + "\n}\n"


def _scalar(kind: Any) -> str:
    """The LLVM spelling of a scalar type."""
    names = {"index": "i64", "f32": "float", "f64": "double", "f16": "half", "bf16": "bfloat"}
    return names.get(str(kind), str(kind))
