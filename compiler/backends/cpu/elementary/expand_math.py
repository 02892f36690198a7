"""Elementary functions of f32, scalar or vector, become arithmetic; the rest goes to the C library, lane by lane."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.cpu.elementary import formulas, trigonometry
from stratagem.compiler.backends.cpu.elementary.library import library_call
from stratagem.compiler.backends.cpu.elementary.scaling import scaling_for
from stratagem.compiler.backends.cpu.elementary.values import Real
from stratagem.compiler.backends.cpu.loops.access import element_of
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.ir import run_pipeline, walk
from stratagem.compiler.lemmas.registry import rests_on

FORMULAS: dict[str, Callable[[Real], Real]] = {
    "math.exp": formulas.exp,
    "math.exp2": formulas.exp2,
    "math.expm1": formulas.expm1,
    "math.log": formulas.log,
    "math.log2": formulas.log2,
    "math.log10": formulas.log10,
    "math.log1p": formulas.log1p,
    "math.tanh": formulas.tanh,
    "math.erf": formulas.erf,
    "math.rsqrt": formulas.rsqrt,
    "math.sin": trigonometry.sin,
    "math.cos": trigonometry.cos,
}
SCALED = {"math.exp": formulas.exp, "math.exp2": formulas.exp2}
"""Formulas that end with a multiplication by a power of two."""
_REST = (
    "builtin.module(func.func(math-expand-ops{ops=rsqrt,fpowi,clampf},convert-math-to-llvm),"
    "convert-math-to-funcs,convert-math-to-libm)"
)


def expand_math(module: Any, target: CpuTarget) -> None:
    """Rewrites every `math` operation of the module for the instructions of `target`."""
    run_pipeline(module, "builtin.module(func.func(math-extend-to-supported-types))")
    with module.context, ir.Location.unknown():
        for op in [one for one in walk(module.operation) if one.name.startswith("math.")]:
            replacement = _expansion(op, module, target)
            if replacement is not None:
                op.results[0].replace_all_uses_with(replacement)
                op.erase()
    run_pipeline(module, _REST)


def _expansion(op: Any, module: Any, target: CpuTarget) -> Any:
    """The value of the operation by a formula or a call; None where upstream lowers it well."""
    with ir.InsertionPoint(op):
        if str(element_of(op.operands[0].type)) != "f32":
            return library_call(op, module)
        if op.name == "math.powf":
            return _power(op)
        formula = FORMULAS.get(op.name)
        if op.name in SCALED:
            formula = partial(SCALED[op.name], scaled=scaling_for(target, op.operands[0].type))
        return formula(Real(op.operands[0])).value if formula else None


@rests_on("square")
def _power(op: Any) -> Any:
    """x to a known simple power."""
    exponent = _known_constant(op.operands[1])
    x = Real(op.operands[0])
    if exponent == 2.0:
        return (x * x).value
    if exponent == 3.0:
        return (x * x * x).value
    if exponent == 1.0:
        return x.value
    if exponent == -1.0:
        return (x.constant(1.0) / x).value
    return None


def _known_constant(value: Any) -> float | None:
    """The number behind a constant or a splat of one."""
    if isinstance(value.owner, ir.Block):
        return None
    op = value.owner.operation
    if op.name == "vector.broadcast":
        return _known_constant(op.operands[0])
    if op.name != "arith.constant":
        return None
    attribute = op.attributes["value"]
    if isinstance(attribute, ir.DenseElementsAttr):
        if not ir.DenseElementsAttr(attribute).is_splat:
            return None
        attribute = ir.DenseElementsAttr(attribute).get_splat_value()
    return float(ir.FloatAttr(attribute).value)
