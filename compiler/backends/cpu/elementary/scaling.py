"""Multiplying 1 + x by a power of two: one instruction where the processor has it for vectors, else two factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import llvm

from stratagem.compiler.backends.cpu.elementary.values import Real, Whole
from stratagem.compiler.backends.cpu.llvm import has_power_of_two_scaling, ldexp_suffix
from stratagem.compiler.backends.cpu.target import CpuTarget

Scale = Callable[[Real, Whole], Real]
"""x, n -> (1 + x) * 2^n for -160 <= n <= 130, rounded once below the normal range, infinite above."""


def in_two_steps(x: Real, n: Whole) -> Real:
    """By two factors that are normal numbers each."""
    half = n >> 1
    scale = power_of_two(half)
    return (scale * x + scale) * power_of_two(n - half)


def by_instruction(x: Real, n: Whole) -> Real:
    """By LLVM's `ldexp`, which rounds once."""
    value = x + 1.0
    kind = value.value.type
    name = ir.StringAttr.get(f"llvm.ldexp.{ldexp_suffix(_lanes(kind))}")
    return Real(llvm.CallIntrinsicOp(kind, name, [value.value, n.value], [], []).operation.results[0])


def power_of_two(n: Whole) -> Real:
    """2^n for -126 <= n <= 127."""
    return ((n + 127) << 23).as_real()


def scaling_for(target: CpuTarget, kind: Any) -> Scale:
    """The way that is quick on `target` for values of `kind` (f32, or a vector of it)."""
    return by_instruction if has_power_of_two_scaling(target, _lanes(kind)) else in_two_steps


def _lanes(kind: Any) -> int:
    return int(ir.VectorType(kind).shape[0]) if isinstance(kind, ir.VectorType) else 0
