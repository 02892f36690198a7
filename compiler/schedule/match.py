"""Recognises ops as functions of a hardware description (`C[m,n] += A[m,k] * B[k,n]`)."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.schedule.structured import (
    REDUCTION,
    accesses,
    body_ops,
    dtype,
    input_count,
    is_contraction,
    iterators,
)
from stratagem.hwmodels import Device

SCALAR_FUNCTIONS = {
    "addf": "add", "addi": "add", "subf": "sub", "subi": "sub", "mulf": "mul", "muli": "mul", "divf": "div",
    "divsi": "div", "divui": "div", "maximumf": "max", "maxnumf": "max", "maxsi": "max", "maxui": "max",
    "minimumf": "min", "minnumf": "min", "minsi": "min", "minui": "min", "negf": "neg", "absf": "abs",
    "absi": "abs",
    "exp": "exp", "log": "log", "tanh": "tanh", "erf": "erf", "sqrt": "sqrt", "rsqrt": "rsqrt", "sin": "sin",
    "cos": "cos", "powf": "pow", "fpowi": "pow", "ipowi": "pow", "floor": "floor", "ceil": "ceil", "round":
    "round",
    "roundeven": "round", "cmpf": "compare", "cmpi": "compare", "select": "select", "extf": "cast", "truncf":
    "cast",
    "extsi": "cast", "extui": "cast", "trunci": "cast", "sitofp": "cast", "uitofp": "cast", "fptosi": "cast",
    "fptoui": "cast", "fma": "fma", "exp2": "exp", "expm1": "exp", "log1p": "log", "log2": "log",
}  # fmt: skip
"""Scalar ops of arith and math, and the function that means them."""

REDUCTIONS = {"add": "reduce_sum", "max": "reduce_max", "min": "reduce_min", "mul": "reduce_mul"}


def needed_functions(op: Any) -> list[tuple[str, str]]:
    """What a unit must do for one generic: (function, dtype) pairs. Index arithmetic is every unit's own
    business."""
    if is_contraction(op):
        return [("matmul", dtype(op.operands[0]))]
    found = [("gather", dtype(op.results[0]))] if any(o.name == "tensor.extract" for o in body_ops(op)) else []
    for inner in body_ops(op):
        name = SCALAR_FUNCTIONS.get(inner.name.split(".")[-1])
        kind = str(inner.operands[0].type) if len(inner.operands) else ""
        if inner.name == "arith.select":
            kind = str(inner.operands[1].type)
        if name and kind != "index":
            found.append((name, kind))
    return list(dict.fromkeys(found)) or [("copy", dtype(op.results[0]))]


def main_function(op: Any, device: Device) -> str:
    """The name, among the device's functions, of what `op` is."""
    if is_contraction(op):
        return contraction_function(op, device)
    names = [n for n, _ in needed_functions(op)]
    if "gather" in names:
        return "gather"
    if REDUCTION in iterators(op):
        return next((REDUCTIONS[n] for n in reversed(names) if n in REDUCTIONS), names[-1])
    return names[-1]


def contraction_function(op: Any, device: Device) -> str:
    """matmul, batch_matmul, conv or what else the op's loops make it."""
    reads = accesses(op)
    count = input_count(op)
    window = any(r is not None and len(r.terms) > 1 for a in reads for r in a)
    loops = [{loop for r in a if r is not None for loop, _ in r.terms} for a in reads]
    batch = set.intersection(*loops)
    if window:
        spatial = sum(1 for r in reads[0] if r is not None and len(r.terms) > 1)
        return f"depthwise_conv_{spatial}d" if batch else f"conv_{spatial}d"
    output = loops[count]
    rows, columns = output - loops[1], output - loops[0]
    if batch:
        return "batch_matmul"
    if rows and columns:
        return "matmul"
    return "matvec" if rows or columns else "dot"
