"""Buffers and loops down to LLVM assembly, with memory and failure bound to the C++ runtime."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import llvm

from stratagem.compiler.backends.cpu.outline_phases import PhaseBody
from stratagem.compiler.ir import run_pipeline

_LOWER = (
    "builtin.module(convert-scf-to-cf,lower-affine,expand-strided-metadata,lower-affine,"
    "func.func(arith-expand{include-bf16=true}),convert-bufferization-to-memref,canonicalize,cse,"
    "convert-vector-to-llvm{reassociate-fp-reductions},convert-to-llvm,reconcile-unrealized-casts,canonicalize,cse)"
)
_ASSERTION = re.compile(r"  call void @abort\(\)\n")


def lower_to_llvm(module: Any, allocator: str, release: str, bodies: Sequence[PhaseBody] = ()) -> str:
    """LLVM assembly of a module of functions on memrefs.

    Args:
        allocator, release: runtime functions that `memref.alloc` and `memref.dealloc` become.
        bodies: phase bodies, whose separate buffers are declared free of aliases.
    """
    run_pipeline(module, _LOWER)
    with module.context, ir.Location.unknown():
        lowered = {str(op.attributes["sym_name"]).strip('"'): op.operation for op in module.body.operations}
        for body in bodies:
            _declare_alias_free(lowered[body.name], body)
    text = str(llvm.translate_module_to_llvmir(module.operation))
    return bind_runtime(text, allocator, release)


def bind_runtime(text: str, allocator: str, release: str) -> str:
    """Replaces C library names that MLIR's conversions use by the runtime's functions.

    An allocation is declared `noalias`, as LLVM knows of `malloc`; a failed assertion leaves the program by the
    runtime instead of ending the process.
    """
    text = _ASSERTION.sub("", text)
    text = text.replace("declare void @abort()\n", "")
    text = text.replace("declare ptr @malloc(", f"declare noalias ptr @{allocator}(")
    text = re.sub(r"@malloc\b", f"@{allocator}", text)
    text = re.sub(r"@free\b", f"@{release}", text)
    return re.sub(r"@puts\b", "@sg_assert_failed", text)


def _declare_alias_free(function: Any, body: PhaseBody) -> None:
    """Marks the data pointer of each distinct buffer `noalias`; a descriptor of rank r is 3 + 2r arguments."""
    marks: list[Any] = []
    for rank, distinct in body.arguments:
        if rank is None:
            marks.append(ir.DictAttr.get({}))
            continue
        slots = [ir.DictAttr.get({})] * (3 + 2 * rank)
        if distinct:
            slots[1] = ir.DictAttr.get({"llvm.noalias": ir.UnitAttr.get()})
        marks += slots
    function.attributes["arg_attrs"] = ir.ArrayAttr.get(marks)
