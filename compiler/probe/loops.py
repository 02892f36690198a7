"""Loops that reach a limit and do nothing else: multiply-adds in registers, reads, and a walk along pointers."""

from __future__ import annotations

import ctypes
from typing import Any

from stratagem.compiler.backends.cpu.compile import emit_text, link
from stratagem.hwmodels import Device
from stratagem.runtime.shared_object import open_shared_object

CHAINS = 12
"""Independent sums: more than latency times units of any processor of today, fewer than its vector registers."""
STREAMS = 8
"""Vectors read in one turn."""
TYPES = {"f32": ("float", "float32"), "f64": ("double", "float64")}
"""Our name -> LLVM's, numpy's."""


def load_loops(device: Device, dtypes: dict[str, int]) -> Any:
    """A library with `multiply_add_<dtype>(turns, numbers)` for each dtype of so many lanes, `read_all(data,
    bytes, turns)` and `chase(start, steps)`; it must be for this machine."""
    lanes = dtypes["f32"]
    text = "\n".join([*(_multiply_add(name, n) for name, n in dtypes.items()), _read_all(lanes), _CHASE])
    library = open_shared_object(link([emit_text(text, device)]))
    for name in dtypes:
        function = getattr(library, f"multiply_add_{name}")
        function.argtypes, function.restype = [ctypes.c_int64, ctypes.c_void_p], None
    library.read_all.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    library.read_all.restype = ctypes.c_float
    library.chase.argtypes, library.chase.restype = [ctypes.c_void_p, ctypes.c_int64], ctypes.c_void_p
    return library


def _multiply_add(dtype: str, lanes: int) -> str:
    """`turns` times one multiply-add on each of CHAINS vectors; operands come from memory, so nothing is foreseen."""
    kind = f"<{lanes} x {TYPES[dtype][0]}>"
    every = range(CHAINS)
    phis = [f"  %s{i} = phi {kind} [ %x, %entry ], [ %t{i}, %loop ]" for i in every]
    call = f"call {kind} @llvm.fma.v{lanes}{dtype}"
    steps = [f"  %t{i} = {call}({kind} %s{i}, {kind} %x, {kind} %y)" for i in every]
    sums = [f"  %u{i} = fadd {kind} %t{i}, {f'%u{i - 1}' if i else '%x'}" for i in every]
    return "\n".join(
        [
            f"declare {kind} @llvm.fma.v{lanes}{dtype}({kind}, {kind}, {kind})",
            f"define void @multiply_add_{dtype}(i64 %turns, ptr %numbers) {{",
            "entry:",
            f"  %x = load volatile {kind}, ptr %numbers, align 4",
            f"  %y = load volatile {kind}, ptr %numbers, align 4",
            "  br label %loop",
            "loop:",
            "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
            *phis,
            *steps,
            "  %next = add i64 %i, 1",
            "  %more = icmp slt i64 %next, %turns",
            "  br i1 %more, label %loop, label %done",
            "done:",
            *sums,
            f"  store {kind} %u{CHAINS - 1}, ptr %numbers, align 4",
            "  ret void",
            "}",
        ]
    )


def _read_all(lanes: int) -> str:
    """Reads `turns` blocks of STREAMS vectors, from the start again after `bytes`; the sum keeps them all."""
    kind, step = f"<{lanes} x float>", 4 * lanes
    every = range(STREAMS)
    phis = [f"  %s{i} = phi {kind} [ zeroinitializer, %entry ], [ %t{i}, %loop ]" for i in every]
    loads = []
    for i in every:
        loads.append(f"  %o{i} = add i64 %at, {i * step}")
        loads.append(f"  %p{i} = getelementptr i8, ptr %data, i64 %o{i}")
        loads.append(f"  %v{i} = load {kind}, ptr %p{i}, align 4")
        loads.append(f"  %t{i} = fadd {kind} %s{i}, %v{i}")
    sums = [f"  %u{i} = fadd {kind} %t{i}, {f'%u{i - 1}' if i else 'zeroinitializer'}" for i in every]
    return "\n".join(
        [
            "define float @read_all(ptr %data, i64 %bytes, i64 %turns) {",
            "entry:",
            "  br label %loop",
            "loop:",
            "  %i = phi i64 [ 0, %entry ], [ %j, %loop ]",
            "  %at = phi i64 [ 0, %entry ], [ %next, %loop ]",
            *phis,
            *loads,
            f"  %on = add i64 %at, {STREAMS * step}",
            "  %inside = icmp slt i64 %on, %bytes",
            "  %next = select i1 %inside, i64 %on, i64 0",
            "  %j = add i64 %i, 1",
            "  %more = icmp slt i64 %j, %turns",
            "  br i1 %more, label %loop, label %done",
            "done:",
            *sums,
            f"  %r = extractelement {kind} %u{STREAMS - 1}, i32 0",
            "  ret float %r",
            "}",
        ]
    )


_CHASE = """define ptr @chase(ptr %start, i64 %steps) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %p = phi ptr [ %start, %entry ], [ %q, %loop ]
  %q = load ptr, ptr %p, align 8
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %steps
  br i1 %more, label %loop, label %done
done:
  ret ptr %q
}"""
