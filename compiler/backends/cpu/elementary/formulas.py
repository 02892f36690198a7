"""f32 formulas: range reduction with exact steps, then a minimax polynomial, then the special values.

The polynomials were fitted to the functions by weighted minimax (Lawson's iteration on Chebyshev nodes, 40 digits);
the approach to each function is the textbook one (Muller, "Elementary Functions", chapters 3, 5 and 11). Errors are
in `math_accuracy.py`.
"""

from __future__ import annotations

import math

from stratagem.compiler.backends.cpu.elementary.scaling import Scale, in_two_steps, power_of_two
from stratagem.compiler.backends.cpu.elementary.values import Real, Whole, choose, polynomial
from stratagem.compiler.lemmas.registry import rests_on

ROUND = 12582912.0
"""1.5 * 2^23: adding it to |x| < 2^22 rounds to an integer, found in the low bits of the sum."""
LN2_HIGH = 0.693359375
"""ln 2 to 9 bits: products with exponents are exact. LN2_LOW is the rest."""
LN2_LOW = math.log(2.0) - LN2_HIGH
EXP = (
    0.4999999403953552,
    0.1666652113199234,
    0.04166838899254799,
    0.0083687175065279,
    0.0013814596459269524,
)
"""e^r = 1 + r + r^2 (c0 + c1 r + ...)."""
LOG = (
    0.3333333134651184,
    -0.250008225440979,
    0.20001226663589478,
    -0.16623356938362122,
    0.14201761782169342,
    -0.131601944565773,
    0.12761549651622772,
    -0.07634429633617401,
)
ERF_NEAR = (
    0.12837915122509003,
    -0.3761255145072937,
    0.11282455176115036,
    -0.026791468262672424,
    0.005032190587371588,
    -0.0006203306838870049,
)
ERF_FAR = (
    0.12852543592453003,
    0.635680615901947,
    0.105311818420887,
    -0.02292218990623951,
    0.0032250587828457355,
    -0.00021521661255974323,
)
SIN = (-0.16666655242443085, 0.008332177996635437, -0.00019517233886290342)
COS = (0.04166664555668831, -0.0013887315290048718, 2.4433080398011953e-05)


def exp(x: Real, scaled: Scale = in_two_steps) -> Real:
    # Beyond these bounds the result is infinite or rounds to 0; inside, the exponent fits two factors.
    count, rest = _split_exponent(x.clamped(-105.0, 89.0))
    return scaled(_exp_of_part(rest), count)


def exp2(x: Real, scaled: Scale = in_two_steps) -> Real:
    x = x.clamped(-151.0, 128.5)
    shifted = x + ROUND
    rest = (x - (shifted - ROUND)) * math.log(2.0)
    return scaled(_exp_of_part(rest), shifted.bits() - _ROUND_BITS)


def expm1(x: Real) -> Real:
    # s = 2^(n-1) keeps n = 128 in range: s*p + (s - 1/2), doubled. Where n = 0 nothing cancels: that sum is p/2.
    count, rest = _split_exponent(x.clamped(-18.0, 89.0))
    part = _exp_of_part(rest)
    half = power_of_two(count - 1)
    value = half * part + (half - 0.5)
    return choose(x.absolute().compare("olt", 1e-7), x, value + value)


def log(x: Real) -> Real:
    exponent, part = _split_mantissa(x)
    value = _log_of_part(part) + exponent * LN2_LOW
    return _log_specials(x, value + part + exponent * LN2_HIGH)


def log2(x: Real) -> Real:
    exponent, part = _split_mantissa(x)
    # log2(e) = 1 + 0.4427...: multiplying by the short part keeps the leading term's bits.
    small = _log_of_part(part)
    value = (small + part) * (1.0 / math.log(2.0) - 1.0) + small + part + exponent
    return _log_specials(x, value)


def log10(x: Real) -> Real:
    return log(x) * (1.0 / math.log(10.0))


def log1p(x: Real) -> Real:
    # log(u) for u = 1 + x rounded, plus the first-order effect of what the rounding lost.
    u = x + 1.0
    lost = x - (u - 1.0)
    value = log(u) + lost / u
    plain = u.compare("oeq", math.inf)
    # at u = 0 and u = inf the correction is NaN; log(u) alone is right there
    return choose(_either(plain, u.compare("oeq", 0.0)), log(u), choose(x.compare("oeq", 0.0), x, value))


@rests_on("tanh-by-expm1")
def tanh(x: Real) -> Real:
    # expm1(2|x|) / (expm1(2|x|) + 2); from 9.02 on the result rounds to 1.
    a = x.absolute()
    t = expm1((a + a).clamped(0.0, 20.0))
    return (t / (t + 2.0)).with_sign_of(x)


def erf(x: Real) -> Real:
    # Near 0 an odd polynomial; further out 1 - exp(-a (1 + q(a))), which from 4 on rounds to 1.
    a = x.absolute().clamped(0.0, 4.0)
    near = a * polynomial(a * a, ERF_NEAR) + a
    count, rest = _split_exponent(-(a * polynomial(a, ERF_FAR) + a), coarse=True)
    scale = power_of_two(count)  # the exponent is between -18 and -1: one factor serves
    far = 1.0 - (scale * _exp_of_part(rest) + scale)
    return choose(a.compare("olt", 0.875), near, far).with_sign_of(x)


def rsqrt(x: Real) -> Real:
    return x.constant(1.0) / x.square_root()


def sin_of_part(r: Real) -> Real:
    """sin r for |r| <= pi/4."""
    z = r * r
    return r * z * polynomial(z, SIN) + r


def cos_of_part(r: Real) -> Real:
    """cos r for |r| <= pi/4."""
    z = r * r
    return z * z * polynomial(z, COS) + (1.0 - z * 0.5)


_ROUND_BITS = 0x4B400000
"""The bits of ROUND."""


def _split_exponent(x: Real, coarse: bool = False) -> tuple[Whole, Real]:
    """x = n ln 2 + r, |r| <= ln 2 / 2. Coarse: r within |n| 2^-29, for an exp(x) that is added to something larger."""
    shifted = x * (1.0 / math.log(2.0)) + ROUND
    whole, count = shifted - ROUND, shifted.bits() - _ROUND_BITS
    return count, x - whole * math.log(2.0) if coarse else x - whole * LN2_HIGH - whole * LN2_LOW


def _exp_of_part(r: Real) -> Real:
    """e^r - 1 for |r| <= ln 2 / 2. Pairs of terms do not wait for each other, as they would by Horner's rule."""
    c0, c1, c2, c3, c4 = EXP
    square = r * r
    return square * (square * (square * c4 + (r * c3 + c2)) + (r * c1 + c0)) + r


def _split_mantissa(x: Real) -> tuple[Real, Real]:
    """x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); returns e and f. Subnormals are scaled up first."""
    tiny = x.compare("olt", 2.0**-126)
    scaled = choose(tiny, x * 2.0**23, x)
    bits = scaled.bits()
    # Subtracting the bits of sqrt(1/2) makes the exponent field step at sqrt(1/2) * 2^k instead of at 2^k.
    shifted = bits - 0x3F3504F3
    e = (shifted >> 23).to_real()
    mantissa = ((shifted & 0x007FFFFF) + 0x3F3504F3).as_real()
    return e - choose(tiny, x.constant(23.0), x.constant(0.0)), mantissa - 1.0


def _log_of_part(f: Real) -> Real:
    """log(1 + f) - f."""
    z = f * f
    return f * z * polynomial(f, LOG) - z * 0.5


def _log_specials(x: Real, value: Real) -> Real:
    value = choose(x.compare("oeq", math.inf), x, value)
    value = choose(x.compare("oeq", 0.0), x.constant(-math.inf), value)
    return choose(x.compare("uge", 0.0), choose(x.compare("uno", 0.0), x, value), x.constant(math.nan))


def _either(a: object, b: object) -> object:
    from torch_mlir.dialects import arith

    return arith.ori(a, b)
