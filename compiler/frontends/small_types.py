"""Numbers of 8 bits and fewer that no level of the compiler computes with: each is stored in the low bits of an `i8`.

A program converts them where it reads and writes them; moving them needs no conversion. Names are MLIR's, `u2` and
`u4` for unsigned integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.frontends.words import Word, bits_of, float_of


@dataclass(frozen=True)
class SmallInteger:
    bits: int
    signed: bool


@dataclass(frozen=True)
class SmallFloat:
    """A sign, `exponent` and `mantissa` bits; a number's exponent is stored plus `bias`.

    `largest` is the code of the largest finite magnitude. Overflow gives `infinity` where there is one, else
    `nan`, else `largest`. In `unsigned_zero` formats the code of -0 is the only NaN.
    """

    exponent: int
    mantissa: int
    bias: int
    largest: int
    infinity: int | None = None
    nan: int | None = None
    unsigned_zero: bool = False

    @property
    def bits(self) -> int:
        return 1 + self.exponent + self.mantissa


@dataclass(frozen=True)
class PowerOfTwo:
    """f8E8M0FNU: code c is 2**(c - 127), 255 is NaN; no sign, no zero."""

    bits: int = 8


Small = SmallInteger | SmallFloat | PowerOfTwo
FORMATS: dict[str, Small] = {
    "i2": SmallInteger(2, True),
    "u2": SmallInteger(2, False),
    "i4": SmallInteger(4, True),
    "u4": SmallInteger(4, False),
    "f4E2M1FN": SmallFloat(2, 1, 1, 0x7),
    "f6E2M3FN": SmallFloat(2, 3, 1, 0x1F),
    "f6E3M2FN": SmallFloat(3, 2, 3, 0x1F),
    "f8E4M3FN": SmallFloat(4, 3, 7, 0x7E, nan=0x7F),
    "f8E4M3FNUZ": SmallFloat(4, 3, 8, 0x7F, unsigned_zero=True),
    "f8E5M2": SmallFloat(5, 2, 15, 0x7B, infinity=0x7C, nan=0x7E),
    "f8E5M2FNUZ": SmallFloat(5, 2, 16, 0x7F, unsigned_zero=True),
    "f8E8M0FNU": PowerOfTwo(),
}
"""The OCP formats (8-bit floats, microscaling) and the `FNUZ` ones without infinities and negative zero."""

_NAN32, _INFINITY32 = 0x7FC00000, 0x7F800000
_SOURCES = {32: (23, 127), 64: (52, 1023)}
"""Width of a wide float -> its mantissa bits and bias."""


def decode_integer(value: Any, small: SmallInteger, width: int) -> Word:
    """The number in the low bits of an `i8`, as an integer of `width` bits."""
    spare = 8 - small.bits
    up = Word(value) << spare
    return (up.shift_signed(spare) if small.signed else up >> spare).resized(width, small.signed)


def encode_integer(value: Word, small: SmallInteger) -> Any:
    """The low bits of an integer, in an `i8` whose other bits are zero."""
    return (value.resized(8) & ((1 << small.bits) - 1)).value


def decode_float(value: Any, small: SmallFloat | PowerOfTwo) -> Any:
    """The number as f32, which holds each of them exactly."""
    code, f32 = Word(value).resized(32), ir.F32Type.get()
    if isinstance(small, PowerOfTwo):
        regular = code.equals(0).where(code.constant(1 << 22), code << 23)  # 2**-127 is subnormal in f32
        return float_of(code.equals(255).where(code.constant(_NAN32), regular), f32)
    magnitude = code & ((1 << (small.bits - 1)) - 1)
    mantissa = magnitude & ((1 << small.mantissa) - 1)
    normal = (magnitude << (23 - small.mantissa)) + ((127 - small.bias) << 23)
    smallest = arith.ConstantOp(f32, ir.FloatAttr.get(f32, 2.0 ** (1 - small.bias - small.mantissa))).result
    subnormal = arith.MulFOp(arith.UIToFPOp(f32, mantissa.value).result, smallest).result
    found = magnitude.exceeds((1 << small.mantissa) - 1).where(normal, bits_of(subnormal))
    if small.infinity is not None:
        found = magnitude.equals(small.infinity).where(found.constant(_INFINITY32), found)
    top = small.largest if small.infinity is None else small.infinity
    if small.nan is not None:
        found = magnitude.exceeds(top).where(found.constant(_NAN32), found)
    sign = (code >> (small.bits - 1)) & 1
    signed = found | (sign << 31)
    if small.unsigned_zero:
        signed = code.equals(1 << (small.bits - 1)).where(found.constant(_NAN32), signed)
    return float_of(signed, f32)


def encode_float(value: Any, small: SmallFloat, saturate: bool) -> Any:
    """An f32 or f64 rounded to nearest, ties to even, as the code in an `i8`.

    What rounds to more than the largest number becomes that if `saturate`, else the infinity or the NaN of the
    format. A NaN becomes the format's NaN, and zero where it has none.
    """
    bits = bits_of(value)
    width = bits.width
    source_mantissa, source_bias = _SOURCES[width]
    magnitude = bits & ((1 << (width - 1)) - 1)
    infinity = ((1 << (width - 1 - source_mantissa)) - 1) << source_mantissa
    code = _rounded(magnitude, small, source_mantissa, source_bias)
    beyond = _overflow(small)
    limit = small.largest if saturate or beyond is None else beyond
    code = code.exceeds(small.largest).where(code.constant(limit), code)
    sign = (bits >> (width - 1)) << (small.bits - 1)
    is_nan = magnitude.exceeds(infinity)
    if small.unsigned_zero:
        not_zero = code.exceeds(0)
        code = code.equals(beyond or 0).where(code, not_zero.where(code | sign, code))
        code = is_nan.where(code.constant(1 << (small.bits - 1)), code)
    else:
        code = is_nan.where(code.constant(small.nan or 0), code) | sign
    return code.resized(8).value


def _overflow(small: SmallFloat) -> int | None:
    if small.unsigned_zero:
        return 1 << (small.bits - 1)
    return small.infinity if small.infinity is not None else small.nan


def _rounded(magnitude: Word, small: SmallFloat, source_mantissa: int, source_bias: int) -> Word:
    """The code of a magnitude before overflow: one more in the last place carries into the exponent."""
    drop = source_mantissa - small.mantissa
    least = 1 - small.bias + source_bias
    rebased = magnitude - ((source_bias - small.bias) << source_mantissa)
    normal = _shifted(rebased, rebased.constant(drop))
    exponent = magnitude >> source_mantissa
    significand = (magnitude & ((1 << source_mantissa) - 1)) | (1 << source_mantissa)
    shift = (exponent.constant(drop + least) - exponent).minimum(source_mantissa + 2)
    below = exponent.constant(least).exceeds(exponent)
    return below.where(_shifted(significand, below.where(shift, drop)), normal)


def _shifted(word: Word, by: Word) -> Word:
    """`word` shifted right by at least one bit, to nearest, ties to even."""
    odd = (word >> by) & 1
    half = (word.constant(1) << (by - 1)) - 1
    return (word + half + odd) >> by


def encode_power(value: Any, mode: str, saturate: bool) -> Any:
    """The magnitude of an f32 as a power of two, rounded `up`, `down` or to `nearest` (ties up)."""
    bits = bits_of(value)
    magnitude = bits & 0x7FFFFFFF
    exponent, fraction = magnitude >> 23, magnitude & 0x7FFFFF
    subnormal = exponent.equals(0)
    if mode == "down":
        code = exponent
    else:
        above, least = (0, 1 << 22) if mode == "up" else ((1 << 22) - 1, (3 << 21) - 1)
        threshold = subnormal.where(fraction.constant(least), fraction.constant(above))
        code = exponent + fraction.exceeds(threshold).resized(32)
    code = code.minimum(254 if saturate else 255)
    infinite = magnitude.equals(_INFINITY32)
    code = infinite.where(code.constant(254 if saturate else 255), code)
    if not saturate:
        code = code.constant(1 << 22).exceeds(magnitude).where(code.constant(255), code)
    return magnitude.exceeds(_INFINITY32).where(code.constant(255), code).resized(8).value
