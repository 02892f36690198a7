"""What each operation does, one file per dialect or part of one. Importing a file registers its handlers."""

from __future__ import annotations

from importlib import import_module

FILES = (
    "integers",
    "floats",
    "constants",
    "affine",
    "control",
    "forall",
    "tensor_slices",
    "tensor_shapes",
    "tensor_elements",
    "structured",
    "linalg_named",
    "tm_tensor",
    "sorting",
    "memref",
    "system",
)


def load_handlers() -> None:
    """Imports every handler file; safe to call again."""
    for name in FILES:
        import_module(f"stratagem.compiler.interpreter.ops.{name}")
