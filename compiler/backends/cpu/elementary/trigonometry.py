"""sin and cos of any f32, with the reduction modulo pi/2 in f64."""

from __future__ import annotations

import math
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, scf

from stratagem.compiler.backends.cpu.build import all_lanes
from stratagem.compiler.backends.cpu.elementary.formulas import cos_of_part, sin_of_part
from stratagem.compiler.backends.cpu.elementary.values import Real, Whole, choose
from stratagem.compiler.backends.cpu.loops.access import like

LARGEST = 2.0**25
"""Up to here the reduction keeps r to 1e-9; larger arguments go to the C library, one by one."""
_ROUND = 1.5 * 2.0**52
"""Adding it to |x| < 2^51 rounds to an integer, found in the low bits of the sum."""
_HALF_PI_HIGH = float.fromhex("0x1.921fb544p+0")
"""pi/2 to 33 bits: products with quarter counts are exact. _HALF_PI_LOW is the rest."""
_HALF_PI_LOW = 6.123233995736766e-17 + (math.pi / 2 - _HALF_PI_HIGH)


def sin(x: Real) -> Real:
    return _guarded(x, "math.sin", lambda y: _quarter_turns(y, 0))


def cos(x: Real) -> Real:
    return _guarded(x, "math.cos", lambda y: _quarter_turns(y, 1))


def _quarter_turns(x: Real, ahead: int) -> Real:
    """sin(x + ahead * pi/2)."""
    wide = x.to(ir.F64Type.get())
    shifted = wide * (2.0 / math.pi) + _ROUND
    count = shifted - _ROUND
    rest = (wide - count * _HALF_PI_HIGH - count * _HALF_PI_LOW).to(ir.F32Type.get())
    turns = Whole(arith.trunci(like(x.value, _i32()), arith.bitcast(like(x.value, _i64()), shifted.value))) + ahead
    value = choose((turns & 1).is_nonzero(), cos_of_part(rest), sin_of_part(rest))
    flip = (turns & 2) << 30
    return (value.bits() ^ flip).as_real()


def _guarded(x: Real, name: str, formula: Any) -> Real:
    """The formula where all arguments are small enough, else the C library's function for all of them."""
    small = x.absolute().compare("ole", LARGEST)
    branch = scf.IfOp(all_lanes(small), [x.value.type], has_else=True)
    with ir.InsertionPoint(branch.then_block):
        scf.YieldOp([formula(x).value])
    with ir.InsertionPoint(branch.else_block):
        library = ir.Operation.create(name, results=[x.value.type], operands=[x.value])
        library.attributes["cpu.library"] = ir.UnitAttr.get()
        scf.YieldOp([library.result])
    return Real(branch.results[0])


def _i32() -> Any:
    return ir.IntegerType.get_signless(32)


def _i64() -> Any:
    return ir.IntegerType.get_signless(64)
