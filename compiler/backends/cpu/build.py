"""Short names for the few operations that every rewrite of this backend builds."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith


def parse_type(text: str) -> Any:
    return ir.Type.parse(text)


def constant_index(value: int) -> Any:
    return arith.constant(ir.IndexType.get(), value)


def index_to_i64(value: Any) -> Any:
    return arith.index_cast(parse_type("i64"), value)
