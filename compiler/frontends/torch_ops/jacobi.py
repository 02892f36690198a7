"""Singular values and symmetric eigenvalues by Jacobi's rotations of pairs of columns, one pair per step of a loop.

One-sided for singular values (Hestenes 1958), two-sided for eigenvalues (Golub and Van Loan, Matrix Computations, 8.5).
All pairs in turn, `_SWEEPS` times; it converges quadratically, so that is enough for a few hundred columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.householder import qr
from stratagem.compiler.frontends.torch_ops.loops import put, repeat, take
from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten
_SWEEPS = 12


def _pairs(n: int) -> tuple[Tensor, Tensor]:
    places_of = torch.triu_indices(n, n, 1)
    return places_of[0], places_of[1]


def _rotate(x: Tensor, dim: int, p: Tensor, q: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = take(x, dim, p), take(x, dim, q)
    x = put(x, dim, p, cosine * first - sine * second)
    return put(x, dim, q, sine * first + cosine * second)


def _angle(across: Tensor, difference: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the rotation that removes the product `across` of two columns, whose squared lengths differ by
    `difference` (second minus first).
    """
    done = across == 0
    slope = difference / (2 * torch.where(done, 1.0, across))
    sign = torch.where(slope < 0, -1.0, 1.0)
    tangent = torch.where(done, 0.0, sign / (slope.abs() + torch.sqrt(1 + slope * slope)))
    cosine = 1 / torch.sqrt(1 + tangent * tangent)
    return cosine, cosine * tangent


def singular(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of `a` [..., m, n] with m >= n: `a @ v`, whose columns are orthogonal; their lengths [..., n], falling; and v."""
    n = a.shape[-1]
    first, second = _pairs(n)
    count = first.shape[0]

    def step(k: Tensor, u: Tensor, v: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
        at = k % count
        p, q = take(first, 0, at).reshape(()), take(second, 0, at).reshape(())
        one, other = take(u, -1, p), take(u, -1, q)
        difference = (other * other).sum(-2, keepdim=True) - (one * one).sum(-2, keepdim=True)
        cosine, sine = _angle((one * other).sum(-2, keepdim=True), difference)
        return _rotate(u, -1, p, q, cosine, sine), _rotate(v, -1, p, q, cosine, sine), first, second

    u, v, _, _ = repeat(_SWEEPS * count, step, a, _identity(a), first, second)
    lengths = torch.sqrt((u * u).sum(-2))
    order = lengths.argsort(-1, descending=True)
    lengths, columns = torch.gather(lengths, -1, order), order.unsqueeze(-2)
    return torch.gather(u, -1, columns.expand(u.shape)), lengths, torch.gather(v, -1, columns.expand(v.shape))


def eigen(a: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues [..., n], rising, and eigenvectors of a symmetric `a` [..., n, n]."""
    first, second = _pairs(a.shape[-1])
    count = first.shape[0]

    def step(k: Tensor, a: Tensor, v: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
        at = k % count
        p, q = take(first, 0, at).reshape(()), take(second, 0, at).reshape(())
        rows = take(a, -2, p), take(a, -2, q)
        cosine, sine = _angle(take(rows[0], -1, q), take(rows[1], -1, q) - take(rows[0], -1, p))
        a = _rotate(_rotate(a, -1, p, q, cosine, sine), -2, p, q, cosine, sine)
        return a, _rotate(v, -1, p, q, cosine, sine), first, second

    a, v, _, _ = repeat(_SWEEPS * count, step, a, _identity(a), first, second)
    values = torch.diagonal(a, dim1=-2, dim2=-1)
    order = values.argsort(-1)
    return torch.gather(values, -1, order), torch.gather(v, -1, order.unsqueeze(-2).expand(v.shape))


def _identity(a: Tensor) -> Tensor:
    n = a.shape[-1]
    return torch.eye(n, dtype=a.dtype).expand(*a.shape[:-2], n, n).clone()


def _symmetric(a: Tensor) -> Tensor:
    """The symmetric matrix that has the lower triangle of `a`: the other one is never read, as in LAPACK."""
    triangle = torch.tril(a)
    return triangle + torch.tril(triangle, -1).mT


@decomposes(aten._linalg_eigh.default)
def eigh(a: Tensor, uplo: str = "L", compute_v: bool = True) -> tuple[Tensor, Tensor]:
    values, vectors = eigen(_symmetric(a if uplo.upper() == "L" else a.mT))
    return values, vectors if compute_v else torch.empty((0,), dtype=a.dtype)


@decomposes(aten._linalg_svd.default)
def svd(
    a: Tensor, full_matrices: bool = False, compute_uv: bool = True, *, driver: str | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    if a.shape[-1] > a.shape[-2]:
        v, lengths, u = svd(a.mT, full_matrices, compute_uv)
        return (u.mT.clone(), lengths, v.mT.clone()) if compute_uv else (u, lengths, v)
    scaled, lengths, v = singular(a)
    if not compute_uv:
        return torch.empty((0,), dtype=a.dtype), lengths, torch.empty((0,), dtype=a.dtype)
    # The columns divided by their lengths; where a length is 0, and for a full basis, what completes them.
    q, r = qr(
        scaled / torch.where(lengths == 0, 1.0, lengths).unsqueeze(-2), "complete" if full_matrices else "reduced"
    )
    sign = torch.where(torch.diagonal(r, dim1=-2, dim2=-1) < 0, -1.0, 1.0)
    rest = torch.ones((*sign.shape[:-1], q.shape[-1] - sign.shape[-1]), dtype=a.dtype)
    return q * torch.cat([sign, rest], -1).unsqueeze(-2), lengths, v.mT.clone()


@decomposes(aten.linalg_pinv.atol_rtol_tensor)
def pinv(a: Tensor, *, atol: Tensor | None = None, rtol: Tensor | None = None, hermitian: bool = False) -> Tensor:
    """By singular values, of which those up to max(atol, rtol * largest) count as 0."""
    m, n = a.shape[-2:]
    if m == 0 or n == 0:
        return a.mT.clone()
    if hermitian:
        a = _symmetric(a)
    if m < n:
        return pinv(a.mT, atol=atol, rtol=rtol).mT.clone()
    scaled, lengths, v = singular(a)
    zero = torch.zeros((), dtype=a.dtype)
    default = torch.full((), torch.finfo(a.dtype).eps * max(m, n), dtype=a.dtype)
    atol = zero if atol is None else atol.to(a.dtype)
    rtol = torch.where(atol > 0, zero, default) if rtol is None else rtol.to(a.dtype)
    limit = torch.maximum(atol.unsqueeze(-1), rtol.unsqueeze(-1) * lengths.amax(-1, keepdim=True))
    kept = lengths > limit
    inverse = torch.where(kept, 1 / torch.where(kept, lengths, 1.0) ** 2, 0.0)
    return (v * inverse.unsqueeze(-2)) @ scaled.mT
