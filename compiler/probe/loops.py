"""Loops that reach a limit and do nothing else: multiply-adds in registers, reads, and a walk along pointers."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from stratagem.compiler.backends.cpu.compile import emit_text, link
from stratagem.compiler.backends.cpu.loops.dot import Dot
from stratagem.hwmodels import Device
from stratagem.runtime.shared_object import open_shared_object

CHAINS = 12
"""Independent sums: more than latency times units of any processor of today, fewer than its vector registers."""
STREAMS = 8
"""Vectors read in one turn."""
TYPES = {"f32": ("float", "float32"), "f64": ("double", "float64")}
"""Our name -> LLVM's, numpy's."""
_NONE: Mapping[str, Dot] = MappingProxyType({})


def load_loops(device: Device, dtypes: dict[str, int], dots: Mapping[str, Dot] = _NONE) -> Any:
    """A library with `multiply_add_<dtype>(turns, numbers)` for each dtype of so many lanes and for each of `dots`,
    with as many sums as lanes of f32, `read_all(data, bytes, turns)` and `chase(start, steps)`; it must be for this
    machine."""
    lanes = dtypes["f32"]
    sums = [_dots(name, dot, lanes) for name, dot in dots.items()]
    text = "\n".join([*(_multiply_add(name, n) for name, n in dtypes.items()), *sums, _read_all(lanes), _CHASE])
    library = open_shared_object(link([emit_text(text, device)]))
    for name in (*dtypes, *dots):
        function = getattr(library, f"multiply_add_{name}")
        function.argtypes, function.restype = [ctypes.c_int64, ctypes.c_void_p], None
    library.read_all.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    library.read_all.restype = ctypes.c_float
    library.chase.argtypes, library.chase.restype = [ctypes.c_void_p, ctypes.c_int64], ctypes.c_void_p
    return library


def _multiply_add(dtype: str, lanes: int) -> str:
    """One multiply-add on each vector of sums."""
    kind = f"<{lanes} x {TYPES[dtype][0]}>"
    return _chains(dtype, f"@llvm.fma.v{lanes}{dtype}", (kind, kind, kind), "fadd")


def _dots(dtype: str, dot: Dot, sums: int) -> str:
    """One dot product of groups on each vector of sums."""
    narrow = f"<{sums * dot.group} x {'bfloat' if dtype == 'bf16' else dtype}>"
    wide, add = ("float", "fadd") if dtype == "bf16" else ("i32", "add")
    return _chains(dtype, f"@{dot.intrinsic}", (f"<{sums} x {wide}>", narrow, narrow), add)


def _chains(name: str, step: str, kinds: tuple[str, str, str], add: str) -> str:
    """`turns` times `step` on each of CHAINS sums; operands come from memory, so nothing is foreseen.

    Args:
        step: a function of the sums and two more. kinds: their types. add: what adds two sums.
    """
    kind, left, right = kinds
    every = range(CHAINS)
    phis = [f"  %s{i} = phi {kind} [ zeroinitializer, %entry ], [ %t{i}, %loop ]" for i in every]
    steps = [f"  %t{i} = call {kind} {step}({kind} %s{i}, {left} %x, {right} %y)" for i in every]
    sums = [f"  %u{i} = {add} {kind} %t{i}, {f'%u{i - 1}' if i else 'zeroinitializer'}" for i in every]
    return "\n".join(
        [
            f"declare {kind} {step}({kind}, {left}, {right})",
            f"define void @multiply_add_{name}(i64 %turns, ptr %numbers) {{",
            "entry:",
            f"  %x = load volatile {left}, ptr %numbers, align 4",
            f"  %y = load volatile {right}, ptr %numbers, align 4",
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
