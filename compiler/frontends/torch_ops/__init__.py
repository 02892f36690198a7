"""Decompositions of PyTorch operators that the wheel has no lowering for, or a wrong one, into operators it lowers.

Each file registers rules by operator with `decomposes`; `torch.export`'s `run_decompositions` applies them, so rules
may use other operators that have rules. A rule returns NotImplemented for forms it does not cover: the operator then
stays, and is refused by name.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from stratagem.compiler.frontends.torch_ops.registry import RULES


def rules() -> dict[Any, Any]:
    """Operator overload -> its decomposition."""
    for file in iter_modules(__path__):
        import_module(f"{__name__}.{file.name}")
    return dict(RULES)
