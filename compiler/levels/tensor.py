"""The tensor contract: what a program at level `tensor` may contain (`docs/tensor-contract.md` explains it)."""

from __future__ import annotations

from typing import Any

CONSTANT_LIMIT = 64
"""Largest number of elements of a constant inside the program; above it is a parameter."""


def check_tensor_level(module: Any) -> None:
    """Raises UnsupportedError for the first thing outside the contract."""
