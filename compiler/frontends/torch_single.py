"""One operator of a torch-dialect module as a module of its own, to find out which one the lowering cannot
take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stratagem.compiler.ir import walk

_PURE_ARGUMENTS = ("torch.constant.", "torch.prim.ListConstruct")


def operators(module: Any) -> Iterator[Any]:
    """The module's aten and prims operators, one of each kind: same name, operand and result types."""
    seen: set[tuple[Any, ...]] = set()
    for op in walk(module.operation):
        kind = (op.name, *(str(v.type) for v in op.operands), *(str(r.type) for r in op.results))
        if op.name.startswith(("torch.aten.", "torch.prims.")) and kind not in seen:
            seen.add(kind)
            yield op


def isolated_operator(op: Any) -> str | None:
    """A module with `op` alone in a function: tensors are arguments, constants and lists come along.

    None for operators that need more than that.
    """
    needed: list[Any] = []
    arguments: dict[str, str] = {}
    if not all(_collect(value, needed, arguments) for value in op.operands):
        return None
    lines = [str(o) for o in [*needed, op]]
    results = [r.get_name() for r in op.results]
    kinds = ", ".join(str(r.type) for r in op.results)
    inputs = ", ".join(f"{name}: {kind}" for name, kind in arguments.items())
    back = f"return {', '.join(results)} : {kinds}" if results else "return"
    body = "\n".join(lines)
    return f"module {{ func.func @main({inputs}) -> ({kinds}) {{\n{body}\n{back}\n}} }}"


def _collect(value: Any, needed: list[Any], arguments: dict[str, str]) -> bool:
    """Adds what makes `value` to `needed`, in order; tensors become arguments."""
    kind = str(value.type)
    if "tensor" in kind and "list" not in kind:
        arguments[value.get_name()] = kind
        return True
    owner = getattr(value.owner, "operation", None)
    if owner is None or not owner.name.startswith(_PURE_ARGUMENTS):
        return False
    if owner not in needed:
        if not all(_collect(v, needed, arguments) for v in owner.operands):
            return False
        needed.append(owner)
    return True
