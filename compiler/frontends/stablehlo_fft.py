"""Discrete Fourier transforms as matrix products and twiddle factors, in StableHLO.

A length that factors is transformed factor by factor (Cooley and Tukey 1965), a small one by its DFT matrix, a large
prime as a convolution (Bluestein 1970). Matrices and factors are computed in float64 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.frontends.stablehlo_build import (
    Array,
    array,
    broadcast,
    complex_number,
    element_of,
    full,
    imaginary,
    is_complex,
    join_last,
    like,
    operation,
    product,
    real,
    reshape,
    same,
    shape_of,
    slice_last,
    transpose,
)

LARGEST_MATRIX = 32
"""Length up to which one product with the DFT matrix is taken where the length could be factored."""
LARGEST_PRIME = 256
"""Prime length up to which the DFT matrix is taken; longer ones become convolutions of a power of two."""

Parts = tuple[Any, Any]
"""Real and imaginary part, [rows, length] each."""


def fourier(value: Any, lengths: Sequence[int], kind: str) -> Any:
    """The transform over the last dimensions, as many as `lengths`.

    `kind`: FFT and IFFT, complex to complex; RFFT, real numbers to the first half of their spectrum; IRFFT, back to
    real numbers, of the last length in `lengths`. Inverse transforms are divided by the number of elements.
    """
    last = value.type.rank - 1
    others = list(range(last - len(lengths) + 1, last))
    if kind == "RFFT":
        value = _along(value, last, lambda x: _first_half(_dft(x, -1)))
    for dimension in others if kind == "IRFFT" else [*others, *([] if kind == "RFFT" else [last])]:
        value = _along(value, dimension, _inverse if kind.startswith("I") else lambda x: _dft(x, -1))
    if kind != "IRFFT":
        return value
    return real(_along(value, last, lambda x: _inverse(_whole_spectrum(x, lengths[-1]))))


def _along(value: Any, dimension: int, transform: Callable[[Parts], Parts]) -> Any:
    """A transform of the rows of [rows, length], applied along one dimension; complex."""
    rank = value.type.rank
    order = [*(d for d in range(rank) if d != dimension), dimension]
    moved = transpose(value, order)
    rows = [math.prod(shape_of(moved)[:-1]), shape_of(moved)[-1]]
    flat = reshape(moved, rows)
    parts = transform((real(flat), imaginary(flat) if is_complex(flat) else like(0, flat)))
    result = complex_number(*parts)
    shaped = reshape(result, [*shape_of(moved)[:-1], shape_of(result)[-1]])
    return transpose(shaped, [order.index(d) for d in range(rank)])


def _first_half(parts: Parts) -> Parts:
    count = shape_of(parts[0])[1] // 2 + 1
    return slice_last(parts[0], 0, count), slice_last(parts[1], 0, count)


def _whole_spectrum(parts: Parts, length: int) -> Parts:
    """The spectrum of real numbers from its first half: X[n - k] is the conjugate of X[k]."""
    kept = length // 2 + 1
    re, im = (slice_last(part, 0, kept) for part in parts)
    mirrored = range(1, length - kept + 1)
    if not mirrored:
        return re, im
    back_re, back_im = (_reversed(slice_last(part, 1, len(mirrored) + 1)) for part in (re, im))
    return join_last([re, back_re]), join_last([im, same("negate", back_im)])


def _reversed(value: Any) -> Any:
    return operation("reverse", value.type, [value], dimensions="array<i64: 1>")


def _inverse(parts: Parts) -> Parts:
    re, im = _dft(parts, 1)
    scale = like(1.0 / shape_of(re)[1], re)
    return same("multiply", re, scale), same("multiply", im, scale)


def _dft(parts: Parts, sign: int) -> Parts:
    """sum over j of x[j] exp(sign 2 pi i j k / n) for each row."""
    length = shape_of(parts[0])[1]
    factor = _factor(length)
    if factor == length and length > LARGEST_PRIME:
        return _convolved(parts, sign)
    if factor == length:
        return _times_matrix(parts, _roots(np.outer(np.arange(length), np.arange(length)), length, sign))
    return _in_two_steps(parts, factor, sign)


def _factor(length: int) -> int:
    """What to transform first: all of a short or prime length, else the largest short factor, or the smallest prime."""
    if length <= LARGEST_MATRIX:
        return max(length, 1)
    short = [f for f in range(LARGEST_MATRIX, 1, -1) if length % f == 0]
    if short:
        return short[0]
    return next((f for f in range(LARGEST_MATRIX + 1, math.isqrt(length) + 1) if length % f == 0), length)


def _in_two_steps(parts: Parts, first: int, sign: int) -> Parts:
    """n = first * second: rows j = second j1 + j2, results k = k1 + first k2."""
    rows, length = shape_of(parts[0])
    second = length // first

    def reordered(values: Parts, shape: Sequence[int], order: Sequence[int], into: Sequence[int]) -> Parts:
        re, im = (reshape(transpose(reshape(v, shape), order), into) for v in values)
        return re, im

    columns = reordered(parts, [rows, first, second], [0, 2, 1], [rows * second, first])
    inner = reordered(_dft(columns, sign), [rows, second, first], [0, 2, 1], [rows, length])
    turned = _times(inner, _roots(np.outer(np.arange(first), np.arange(second)).reshape(-1), length, sign))
    outer = _dft(reordered(turned, [rows, first, second], [0, 1, 2], [rows * first, second]), sign)
    return reordered(outer, [rows, first, second], [0, 2, 1], [rows, length])


def _convolved(parts: Parts, sign: int) -> Parts:
    """j k = (j^2 + k^2 - (k - j)^2) / 2 turns the sum into a convolution with a chirp, done in a power of two."""
    rows, length = shape_of(parts[0])
    padded = 1 << (2 * length - 1).bit_length()
    chirp = _roots(np.arange(length) ** 2 % (2 * length), 2 * length, sign)
    kernel = np.zeros(padded, np.complex128)
    kernel[:length] = chirp.conj()
    kernel[padded - length + 1 :] = chirp.conj()[:0:-1]
    zeros = full(0, [rows, padded - length], element_of(parts[0]))
    re, im = _times(parts, chirp)
    spectrum = _dft((join_last([re, zeros]), join_last([im, zeros])), -1)
    re, im = _inverse(_times(spectrum, np.fft.fft(kernel)))
    return _times((slice_last(re, 0, length), slice_last(im, 0, length)), chirp)


def _roots(exponents: Array, length: int, sign: int) -> Array:
    """exp(sign 2 pi i e / length), the exponent reduced first."""
    return np.asarray(np.exp(sign * 2j * np.pi * (exponents % length) / length))


def _times(parts: Parts, factors: Array) -> Parts:
    """Each row times the same numbers."""
    shape = shape_of(parts[0])
    cosines, sines = (broadcast(part, shape, [1]) for part in _constants(factors, element_of(parts[0])))
    return _combined(parts, (cosines, sines), lambda a, b: same("multiply", a, b))


def _times_matrix(parts: Parts, matrix: Array) -> Parts:
    return _combined(parts, _constants(matrix, element_of(parts[0])), product)


def _combined(left: Parts, right: Parts, multiply: Callable[[Any, Any], Any]) -> Parts:
    (a, b), (c, d) = left, right
    re = same("subtract", multiply(a, c), multiply(b, d))
    return re, same("add", multiply(a, d), multiply(b, c))


def _constants(numbers: Array, element: Any) -> Parts:
    dtype = np.float64 if isinstance(element, ir.F64Type) else np.float32
    return array(numbers.real.astype(dtype)), array(numbers.imag.astype(dtype))
