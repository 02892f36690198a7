"""Names of kernels: what they compute, most telling op first, a number where names meet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from stratagem.compiler.schedule.structured import REDUCTION, body_ops, is_contraction, is_generic, iterators

_TELLING = {
    "math.erf": "gelu", "math.exp": "exp", "math.tanh": "tanh", "math.rsqrt": "normalize", "math.sqrt":
    "sqrt",
    "math.log": "log", "tensor.extract": "gather", "arith.maximumf": "max", "arith.minimumf": "min",
    "arith.divf": "div", "arith.mulf": "mul", "arith.addf": "add", "arith.subf": "sub", "arith.select":
    "select",
}  # fmt: skip
LONGEST = 3


def kernel_name(ops: Sequence[Any], taken: Collection[str]) -> str:
    """A name for the kernel of `ops` that is not in `taken`."""
    parts: list[str] = []
    for op in ops:
        word = _word(op)
        if word and word not in parts:
            parts.append(word)
    base = "_".join(parts[:LONGEST]) or "copy"
    name, n = base, 1
    while name in taken or name == "main":
        n += 1
        name = f"{base}_{n}"
    return name


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
