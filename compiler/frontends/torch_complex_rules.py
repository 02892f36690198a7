"""What operators on complex tensors mean for real and imaginary parts.

A rule takes the operator's arguments, with a `Pair` for each complex tensor, and gives a tensor, a `Pair` or a list; it
raises `Uncovered` for forms it has no answer for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

aten = torch.ops.aten


class Uncovered(Exception):
    """The operator is refused by name."""


class Pair(NamedTuple):
    """A complex tensor as two real ones of its shape."""

    real: Any
    imag: Any


def as_pair(x: Any) -> Pair:
    """A real tensor or a number as a complex one."""
    if isinstance(x, Pair):
        return x
    if isinstance(x, complex):
        return Pair(x.real, x.imag)
    return Pair(x, torch.zeros_like(x) if isinstance(x, torch.Tensor) else 0.0)


def multiply(a: Any, b: Any) -> Pair:
    a, b = as_pair(a), as_pair(b)
    return Pair(a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real)


def divide(a: Any, b: Any) -> Pair:
    if not isinstance(b, (Pair, complex)):
        return Pair(a.real / b, a.imag / b)
    b = as_pair(b)
    size = b.real * b.real + b.imag * b.imag
    product = multiply(a, Pair(b.real, -b.imag))
    return Pair(product.real / size, product.imag / size)


def _add(a: Any, b: Any, *, alpha: Any = 1) -> Pair:
    a, b = as_pair(a), as_pair(b)
    scaled = multiply(b, alpha) if alpha != 1 else b
    return Pair(a.real + scaled.real, a.imag + scaled.imag)


def _subtract(a: Any, b: Any, *, alpha: Any = 1) -> Pair:
    a, b = as_pair(a), as_pair(b)
    scaled = multiply(b, alpha) if alpha != 1 else b
    return Pair(a.real - scaled.real, a.imag - scaled.imag)


def _convert(x: Any, dtype: torch.dtype, *_: Any, **__: Any) -> Any:
    if not dtype.is_complex:
        return x.real.to(dtype)
    part = torch.empty((), dtype=dtype, device="meta").real.dtype
    pair = as_pair(x)
    return Pair(pair.real.to(part), pair.imag.to(part))


def _full(size: Sequence[int], value: Any, *, dtype: Any = None, **_: Any) -> Pair:
    number, part = complex(value), torch.float64 if dtype is torch.complex128 else torch.get_default_dtype()
    return Pair(torch.full(size, number.real, dtype=part), torch.full(size, number.imag, dtype=part))


def _exp(x: Pair) -> Pair:
    size = torch.exp(x.real)
    return Pair(size * torch.cos(x.imag), size * torch.sin(x.imag))


def _matmul(a: Any, b: Any) -> Pair:
    a, b = as_pair(a), as_pair(b)
    return Pair(a.real @ b.real - a.imag @ b.imag, a.real @ b.imag + a.imag @ b.real)


def _norm_factor(norm: int, sizes: Sequence[int]) -> float:
    """As PyTorch numbers them: 0 none, 1 by the square root of the number of points, 2 by the number."""
    count = math.prod(sizes)
    return {0: 1.0, 1: 1 / math.sqrt(count), 2: 1 / count}[norm]


LIMIT = 4096
"""Points of a transform: it is a product with the matrix of roots of unity, which has their square."""


def _roots(rows: int, columns: int, n: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos and sin of 2 pi i k / n for i < rows, k < columns."""
    places = (torch.arange(rows).unsqueeze(-1) * torch.arange(columns)) % n
    angle = places.to(torch.float64) * (2 * math.pi / n)
    return torch.cos(angle).to(dtype), torch.sin(angle).to(dtype)


def _transform(x: Pair, dim: int, forward: bool, columns: int | None = None) -> Pair:
    n = x.real.shape[dim]
    cosine, sine = _roots(n, columns or n, n, x.real.dtype)
    sine = -sine if forward else sine
    real, imag = x.real.movedim(dim, -1), x.imag.movedim(dim, -1)
    found = Pair(real @ cosine - imag @ sine, real @ sine + imag @ cosine)
    return Pair(found.real.movedim(-1, dim), found.imag.movedim(-1, dim))


def _scaled(x: Pair, factor: float) -> Pair:
    return x if factor == 1.0 else Pair(x.real * factor, x.imag * factor)


def _check_sizes(sizes: Sequence[Any]) -> None:
    if any(not isinstance(n, int) or n > LIMIT for n in sizes):
        raise Uncovered


def fft_c2c(x: Pair, dims: Sequence[int], norm: int, forward: bool) -> Pair:
    sizes = [x.real.shape[d] for d in dims]
    _check_sizes(sizes)
    for dim in dims:
        x = _transform(x, dim, forward)
    return _scaled(x, _norm_factor(norm, sizes))


def fft_r2c(x: Tensor, dims: Sequence[int], norm: int, onesided: bool) -> Pair:
    sizes = [x.shape[d] for d in dims]
    _check_sizes(sizes)
    last, n = dims[-1], x.shape[dims[-1]]
    cosine, sine = _roots(n, n // 2 + 1 if onesided else n, n, x.dtype)
    rows = x.movedim(last, -1)
    pair = Pair((rows @ cosine).movedim(-1, last), (rows @ -sine).movedim(-1, last))
    for dim in dims[:-1]:
        pair = _transform(pair, dim, True)
    return _scaled(pair, _norm_factor(norm, sizes))


def fft_c2r(x: Pair, dims: Sequence[int], norm: int, last_dim_size: int) -> Tensor:
    """The last dimension holds half of a spectrum whose other half is its mirror."""
    sizes = [*(x.real.shape[d] for d in dims[:-1]), last_dim_size]
    _check_sizes(sizes)
    for dim in dims[:-1]:
        x = _transform(x, dim, False)
    last, n = dims[-1], last_dim_size
    half = n // 2 + 1
    cosine, sine = _roots(half, n, n, x.real.dtype)
    places = torch.arange(half)
    weight = torch.where((places == 0) | (2 * places == n), 1.0, 2.0).to(x.real.dtype).unsqueeze(-1)
    real, imag = (part.movedim(last, -1).narrow(-1, 0, half) for part in x)
    found = (real @ (weight * cosine) - imag @ (weight * sine)).movedim(-1, last)
    return found * _norm_factor(norm, sizes)


def _parts(operator: Callable[..., Any]) -> Callable[..., Any]:
    """The operator on each part: for what moves elements, and for what is linear.

    Indices and masks are the same for both; the imaginary part of a real operand is 0.
    """

    def rule(*args: Any, **kwargs: Any) -> Any:
        first, options = pytree.tree_map(lambda v: _part(v, 0), (args, kwargs), is_leaf=_is_pair)
        second, others = pytree.tree_map(lambda v: _part(v, 1), (args, kwargs), is_leaf=_is_pair)
        real, imag = operator(*first, **options), operator(*second, **others)
        if isinstance(real, (tuple, list)):
            return [Pair(a, b) for a, b in zip(real, imag, strict=True)]
        return Pair(real, imag)

    return rule


def _is_pair(value: Any) -> bool:
    return isinstance(value, Pair)


def _part(value: Any, part: int) -> Any:
    is_real = isinstance(value, torch.Tensor) and value.dtype.is_floating_point
    return as_pair(value)[part] if is_real or _is_pair(value) else value


def _pad(x: Pair, widths: Sequence[int], value: Any = 0) -> Pair:
    number = complex(value)
    return Pair(
        *(aten.constant_pad_nd.default(p, widths, v) for p, v in zip(x, (number.real, number.imag), strict=True))
    )


_BY_PARTS = [
    "view", "reshape", "_unsafe_view", "permute", "expand", "squeeze", "unsqueeze", "select", "slice", "index_select",
    "gather", "flip", "roll", "clone", "neg", "transpose", "t", "cat", "stack", "index", "split", "split_with_sizes",
    "unbind", "alias", "detach", "as_strided", "repeat", "diagonal", "sum", "mean", "cumsum", "narrow", "flatten",
    "unflatten", "tril", "triu", "contiguous", "copy", "slice_scatter", "select_scatter", "where",
]  # fmt: skip


def _overloads(name: str) -> list[Any]:
    packet = getattr(aten, name)
    return [getattr(packet, overload) for overload in packet.overloads()]


RULES: dict[Any, Callable[..., Any]] = {
    operator: _parts(operator) for name in _BY_PARTS for operator in _overloads(name)
} | {
    torch.ops.prims.squeeze.default: _parts(torch.ops.prims.squeeze.default),
    torch.ops.prims.convert_element_type.default: _convert,
    aten.view_as_real.default: lambda x: torch.stack([x.real, x.imag], -1),
    aten.view_as_complex.default: lambda x: Pair(x.select(-1, 0), x.select(-1, 1)),
    aten.complex.default: lambda real, imag: Pair(*torch.broadcast_tensors(real, imag)),
    aten.polar.default: lambda size, angle: Pair(size * torch.cos(angle), size * torch.sin(angle)),
    aten.real.default: lambda x: x.real,
    aten.imag.default: lambda x: x.imag,
    aten._conj.default: lambda x: Pair(x.real, -x.imag),
    aten._conj_physical.default: lambda x: Pair(x.real, -x.imag),
    aten.conj_physical.default: lambda x: Pair(x.real, -x.imag),
    aten.abs.default: lambda x: torch.hypot(x.real, x.imag),
    aten.angle.default: lambda x: torch.atan2(x.imag, x.real),
    aten.add.Tensor: _add,
    aten.add.Scalar: _add,
    aten.sub.Tensor: _subtract,
    aten.mul.Tensor: multiply,
    aten.mul.Scalar: multiply,
    aten.div.Tensor: divide,
    aten.div.Scalar: divide,
    aten.exp.default: _exp,
    aten.mm.default: _matmul,
    aten.bmm.default: _matmul,
    aten.matmul.default: _matmul,
    aten.full.default: _full,
    aten.constant_pad_nd.default: _pad,
    aten._fft_c2c.default: fft_c2c,
    aten._fft_r2c.default: fft_r2c,
    aten._fft_c2r.default: fft_c2r,
    torch.ops.prims.fft_c2c.default: lambda x, *, dim, forward: fft_c2c(x, dim, 0, forward),
    torch.ops.prims.fft_r2c.default: lambda x, *, dim, onesided: fft_r2c(x, dim, 0, onesided),
    torch.ops.prims.fft_c2r.default: lambda x, *, dim, last_dim_size: fft_c2r(x, dim, 0, last_dim_size),
}
