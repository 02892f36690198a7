"""Arithmetic on pairs of residues (mod P, mod Q), with tags for what is not a finite number.

P and Q are primes with P = 2 Q + 1, so the numbers of order Q modulo P are the values of an exponential: with
a base w of that order, exp(v) = w^(v mod Q) mod P turns sums into products exactly. The idea is that of
Mirage (Wu et al., 2025).
"""

from __future__ import annotations

import numpy as np

from stratagem.compiler.interpreter.values import Array, Value

Q = 1073741789  # the largest prime below 2^30 for which 2 Q + 1 is prime too
P = 2 * Q + 1
MODULI = (P, Q)
BASE = 4  # a square, hence of order Q modulo P

NEGATIVE, POSITIVE, UNORDERED = -1, -2, -3
"""Tags of -inf, +inf and NaN, stored in both planes."""

SCALE = 2**12 * 3**2 * 5 * 7 * 11 * 13
"""Fractions whose denominator divides it (all up to 16, and more) are known for what they are."""
LARGEST_SCALED = 2**50
_P_INVERSE = pow(P, -1, Q)

_LIMB = 11
_CHUNK = 2048  # terms of 11 + 31 bits that a float64 sums exactly


def power(base: Array, exponent: Array, modulus: int) -> Array:
    """base ** exponent mod modulus, elementwise, exponents >= 0."""
    shape = np.broadcast_shapes(np.shape(base), np.shape(exponent))
    square = np.array(np.broadcast_to(base, shape), np.int64)
    left = np.array(np.broadcast_to(exponent, shape), np.int64)
    result = np.ones(shape, np.int64)
    while np.any(left > 0):
        result = np.where(left & 1, result * square % modulus, result)
        square = square * square % modulus
        left >>= 1
    return result


def inverse(x: Array, modulus: int) -> Array:
    return power(x, np.asarray(modulus - 2), modulus)


def matmul(x: Array, y: Array, modulus: int) -> Array:
    """Exact x @ y mod modulus through float64 products of 11-bit limbs with whole residues."""
    total = np.zeros((*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1]), np.int64)
    for start in range(0, x.shape[-1], _CHUNK):
        right = np.ascontiguousarray(y[..., start : start + _CHUNK, :], np.float64)
        left = x[..., start : start + _CHUNK]
        for shift in range(0, 31, _LIMB):
            limb = ((left >> shift) & (2**_LIMB - 1)).astype(np.float64)
            part = np.matmul(limb, right).astype(np.int64) % modulus
            total = (total + part * (2**shift % modulus)) % modulus
    return total


def mixed(x: Array, key: int) -> Array:
    """A keyed pseudo-random function from residues (or tags) to 62-bit numbers."""
    h = (np.asarray(x).astype(np.uint64) + np.uint64(key % 2**64)) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((h ^ (h >> np.uint64(31))) >> np.uint64(2)).astype(np.int64)


def small_fractions(value: Value) -> tuple[Array, Array]:
    """Where a number is a fraction n / d with d dividing SCALE and of moderate size, and there n SCALE /
    d, an integer.

    Found by the Chinese remainder theorem: both residues of such a number times SCALE come from one
    integer far below P Q. A random number passes with probability 2^-10, which is harmless: it only gets
    another place in the order of numbers, the same one everywhere.
    """
    first, second = np.asarray(value[0]), np.asarray(value[1])
    a, b = first * (SCALE % P) % P, second * (SCALE % Q) % Q
    whole = a + P * ((b - a) % Q * _P_INVERSE % Q)
    centred = np.where(whole > P * Q // 2, whole - P * Q, whole)
    return (np.abs(centred) < LARGEST_SCALED) & (first >= 0), centred


def tagged(value: Value) -> bool:
    """Whether any element is a tag."""
    plane = value[0]
    return bool(np.size(plane)) and int(np.min(plane)) < 0


def as_floats(value: Value) -> Array:
    """Stand-ins for reasoning about tags: inf, -inf, NaN, 0, and 1 or -1 for other numbers by the half they
    lie in.
    """
    plane = np.asarray(value[0])
    sign = np.where(plane == 0, 0.0, np.where(plane <= P // 2, 1.0, -1.0))
    for tag, stand_in in ((NEGATIVE, -np.inf), (POSITIVE, np.inf), (UNORDERED, np.nan)):
        sign = np.where(plane == tag, stand_in, sign)
    return sign


def with_tags(value: Value, floats: Array) -> Value:
    """Puts tags wherever `floats` is not finite."""
    tag = np.where(np.isnan(floats), UNORDERED, np.where(floats > 0, POSITIVE, NEGATIVE))
    endless = ~np.isfinite(floats)
    return tuple(np.where(endless, tag, plane) for plane in value)
