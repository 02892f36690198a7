"""Names of kernels: what they compute, most telling op first, a number where names meet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from stratagem.compiler.schedule.structured import REDUCTION, body_ops, is_contraction, is_generic, iterators

_TELLING = {
    "math.erf": "gelu", "math.exp": "exp", "math.tanh": "tanh", "math.rsqrt": "normalize", "math.sqrt": "sqrt",
    "math.log": "log", "math.sin": "sin", "math.cos": "cos", "math.powf": "pow", "tensor.extract": "gather",
    "arith.maximumf": "max", "arith.maxsi": "max", "arith.minimumf": "min", "arith.minsi": "min", "arith.divf": "div",
    "arith.divsi": "div", "arith.mulf": "mul", "arith.muli": "mul", "arith.addf": "add", "arith.addi": "add",
    "arith.subf": "sub", "arith.subi": "sub", "arith.select": "select", "arith.cmpf": "compare",
    "arith.cmpi": "compare",
}  # fmt: skip
"""Scalar ops by which a kernel is called, the most telling first."""
LONGEST = 3


def kernel_name(ops: Sequence[Any], taken: Collection[str]) -> str:
    """A name for the kernel of `ops` that is not in `taken`."""
    parts = _whole(ops)
    for op in ops if not parts else ():
        word = _word(op)
        if word and word not in parts:
            parts.append(word)
    base = "_".join(parts[:LONGEST]) or "copy"
    name, n = base, 1
    while name in taken or name == "main":
        n += 1
        name = f"{base}_{n}"
    return name


def _whole(ops: Sequence[Any]) -> list[str]:
    """One word for the well-known row kernels, nothing for others."""
    inner = {o.name for op in ops if is_generic(op) for o in body_ops(op)}
    reduces = any(is_generic(op) and REDUCTION in iterators(op) for op in ops)
    contractions = sum(is_contraction(op) for op in ops)
    softmax = reduces and {"math.exp", "arith.divf"} <= inner
    if contractions > 1:
        return ["attention"] if softmax else ["matmul", "matmul"]
    if contractions or not reduces:
        return []
    if softmax:
        return ["softmax"]
    return ["normalize"] if "math.rsqrt" in inner else []


def _word(op: Any) -> str:
    if is_contraction(op):
        return "conv" if _has_window(op) else "matmul"
    if not is_generic(op):
        return str(op.name.split(".")[-1])
    names = [o.name for o in body_ops(op)]
    kind = "reduce_" if REDUCTION in iterators(op) else ""
    word = next((text for name, text in _TELLING.items() if name in names), "")
    return kind + word if word else ""


def _has_window(op: Any) -> bool:
    from stratagem.compiler.schedule.structured import accesses

    return any(r is not None and r.loop is None and len(r.terms) > 1 for r in accesses(op)[0])
