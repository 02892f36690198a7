"""Conversions between wide and narrow floats as functions of the generated code itself.

Where a processor has no instruction for f16 or bf16, LLVM calls a function of the compiler's support library. Which of
them a system's library holds depends on its age and architecture, so every object that may need them brings its own:
weak, so that one per program is left, and hidden, so that no program sees another's. Bit formats and rounding (to the
nearest, ties to even) are IEEE 754-2019's, sections 3.4 and 4.3.1; bf16 is the upper half of an f32.
"""

from __future__ import annotations


def with_conversions(text: str) -> str:
    """LLVM assembly, with the conversions behind it where it speaks of narrow floats."""
    return text + CONVERSIONS if "half" in text or "bfloat" in text else text


CONVERSIONS = """
define weak_odr hidden bfloat @__truncsfbf2(float %x) {
  %bits = bitcast float %x to i32
  %upper = lshr i32 %bits, 16
  %odd = and i32 %upper, 1
  %half = add i32 %odd, 32767
  %sum = add i32 %bits, %half
  %rounded = lshr i32 %sum, 16
  %quiet = or i32 %upper, 64
  %nan = fcmp uno float %x, %x
  %chosen = select i1 %nan, i32 %quiet, i32 %rounded
  %narrow = trunc i32 %chosen to i16
  %result = bitcast i16 %narrow to bfloat
  ret bfloat %result
}

; Below 2^-14 an f16 counts units of 2^-24, which is also the last place of 0.5 in f32: adding 0.5 rounds there.
define weak_odr hidden half @__truncsfhf2(float %x) {
  %bits = bitcast float %x to i32
  %sign = and i32 %bits, -2147483648
  %magnitude = and i32 %bits, 2147483647
  %rebiased = sub i32 %magnitude, 939524096
  %last = lshr i32 %rebiased, 13
  %odd = and i32 %last, 1
  %half = add i32 %odd, 4095
  %sum = add i32 %rebiased, %half
  %normal = lshr i32 %sum, 13
  %positive = bitcast i32 %magnitude to float
  %aligned = fadd float %positive, 0.5
  %alignedbits = bitcast float %aligned to i32
  %subnormal = sub i32 %alignedbits, 1056964608
  %small = icmp ult i32 %magnitude, 947912704
  %finite = select i1 %small, i32 %subnormal, i32 %normal
  %large = icmp uge i32 %magnitude, 1199570944
  %ranged = select i1 %large, i32 31744, i32 %finite
  %payload = lshr i32 %magnitude, 13
  %fraction = and i32 %payload, 1023
  %quiet = or i32 %fraction, 32256
  %nan = fcmp uno float %x, %x
  %chosen = select i1 %nan, i32 %quiet, i32 %ranged
  %signbit = lshr i32 %sign, 16
  %signed = or i32 %chosen, %signbit
  %narrow = trunc i32 %signed to i16
  %result = bitcast i16 %narrow to half
  ret half %result
}

define weak_odr hidden float @__extendhfsf2(half %x) {
  %bits = bitcast half %x to i16
  %wide = zext i16 %bits to i32
  %sign = and i32 %wide, 32768
  %magnitude = and i32 %wide, 32767
  %shifted = shl i32 %magnitude, 13
  %normal = add i32 %shifted, 939524096
  %count = uitofp i32 %magnitude to float
  %scaled = fmul float %count, 0x3E70000000000000
  %subnormal = bitcast float %scaled to i32
  %small = icmp ult i32 %magnitude, 1024
  %finite = select i1 %small, i32 %subnormal, i32 %normal
  %special = or i32 %shifted, 2139095040
  %large = icmp uge i32 %magnitude, 31744
  %chosen = select i1 %large, i32 %special, i32 %finite
  %signbit = shl i32 %sign, 16
  %signed = or i32 %chosen, %signbit
  %result = bitcast i32 %signed to float
  ret float %result
}

; f64 to f32 rounded to odd: rounding that again, to fewer bits, is as good as rounding once.
define weak_odr hidden float @sg_round_to_odd(double %x) {
  %near = fptrunc double %x to float
  %back = fpext float %near to double
  %inexact = fcmp one double %back, %x
  %xbits = bitcast double %x to i64
  %backbits = bitcast double %back to i64
  %size = and i64 %xbits, 9223372036854775807
  %backsize = and i64 %backbits, 9223372036854775807
  %above = icmp ugt i64 %backsize, %size
  %bits = bitcast float %near to i32
  %down = sub i32 %bits, 1
  %below = select i1 %above, i32 %down, i32 %bits
  %odd = or i32 %below, 1
  %chosen = select i1 %inexact, i32 %odd, i32 %bits
  %result = bitcast i32 %chosen to float
  ret float %result
}

define weak_odr hidden half @__truncdfhf2(double %x) {
  %wide = call float @sg_round_to_odd(double %x)
  %result = call half @__truncsfhf2(float %wide)
  ret half %result
}

define weak_odr hidden bfloat @__truncdfbf2(double %x) {
  %wide = call float @sg_round_to_odd(double %x)
  %result = call bfloat @__truncsfbf2(float %wide)
  ret bfloat %result
}
"""
