"""Element types in MLIR's spelling, and what Triton calls them."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.runtime.errors import UnsupportedError


@dataclass(frozen=True)
class ElementType:
    """`signature` is its name in compile signatures, `tl` in kernel source; `bytes` per element."""

    mlir: str
    signature: str
    tl: str
    bytes: int
    floating: bool


_TYPES = {
    t.mlir: t
    for t in (
        ElementType("f32", "fp32", "tl.float32", 4, True),
        ElementType("f16", "fp16", "tl.float16", 2, True),
        ElementType("bf16", "bf16", "tl.bfloat16", 2, True),
        ElementType("f64", "fp64", "tl.float64", 8, True),
        ElementType("i1", "i1", "tl.int1", 1, False),
        ElementType("i8", "i8", "tl.int8", 1, False),
        ElementType("i16", "i16", "tl.int16", 2, False),
        ElementType("i32", "i32", "tl.int32", 4, False),
        ElementType("i64", "i64", "tl.int64", 8, False),
        ElementType("index", "i64", "tl.int64", 8, False),
    )
}


def element_type(name: str) -> ElementType:
    """The element type MLIR prints as `name`; UnsupportedError when the GPU backend has no such type."""
    if name not in _TYPES:
        raise UnsupportedError(f"the GPU backend has no element type {name}", hint=f"it has {', '.join(_TYPES)}")
    return _TYPES[name]


def computed_in(name: str) -> str:
    """The element type arithmetic on `name` is done in: f32 for the 16-bit floats, itself for the rest.

    16-bit values are widened when they are first computed with and rounded once, where they leave the
    expression.
    """
    return "f32" if name in ("f16", "bf16") else name
