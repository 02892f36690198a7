"""Number domains: what a float is while a program runs."""

from __future__ import annotations

from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.domains.field import ExactField
from stratagem.compiler.interpreter.domains.floats import Float64, NativeFloat
from stratagem.compiler.interpreter.domains.rounding import RoundingBound
from stratagem.compiler.interpreter.domains.symbolic import SymbolicReals

__all__ = ["Domain", "ExactField", "Float64", "NativeFloat", "RoundingBound", "SymbolicReals"]
