"""QR factors by Householder's reflections, one column per step of a loop, with LAPACK's signs and storage (geqrf)."""

from __future__ import annotations

import torch
from torch import Tensor

from stratagem.compiler.frontends.torch_ops.loops import places, put, repeat, take
from stratagem.compiler.frontends.torch_ops.registry import decomposes

aten = torch.ops.aten


@decomposes(aten.geqrf.default)
def geqrf(a: Tensor) -> tuple[Tensor, Tensor]:
    """R on and above the diagonal, the vectors of the reflections below it, their factors tau [..., min(m, n)]."""
    count = min(a.shape[-2:])
    found = repeat(count, _reflect, a, torch.zeros((*a.shape[:-2], count), dtype=a.dtype))
    return found[0], found[1]


def _reflect(k: Tensor, a: Tensor, tau: Tensor) -> tuple[Tensor, ...]:
    rows, columns = places(a, -2), places(a, -1)
    column = take(a, -1, k)
    head = take(column, -2, k)
    below = torch.where(rows > k, column, 0.0)
    rest = (below * below).sum(-2, keepdim=True)
    norm = torch.sqrt(head * head + rest)
    flat = rest == 0
    diagonal = torch.where(flat, head, torch.where(head > 0, -norm, norm))
    factor = torch.where(flat, 0.0, (diagonal - head) / torch.where(flat, 1.0, diagonal))
    vector = torch.where(rows == k, 1.0, below / torch.where(flat, 1.0, head - diagonal))
    reduced = a - factor * vector * torch.where(columns > k, vector.mT @ a, 0.0)
    stored = torch.where(rows == k, diagonal, torch.where(rows > k, vector, column))
    return torch.where(columns == k, stored, reduced), put(tau, -1, k, factor.squeeze(-1))


def apply_reflections(vectors: Tensor, tau: Tensor, c: Tensor, from_last: bool) -> Tensor:
    """Q c for `from_last`, else the transposed Q times c; Q is the product of the reflections, c [..., m, n]."""
    count = tau.shape[-1]

    def step(k: Tensor, c: Tensor, vectors: Tensor, tau: Tensor) -> tuple[Tensor, ...]:
        at = count - 1 - k if from_last else k
        rows = places(vectors, -2)
        below = torch.where(rows > at, take(vectors, -1, at), 0.0)
        vector = torch.where(rows == at, 1.0, below)
        factor = take(tau, -1, at).unsqueeze(-1)
        return c - factor * vector * (vector.mT @ c), vectors, tau

    return repeat(count, step, c, vectors, tau)[0]


def _identity(a: Tensor, columns: int) -> Tensor:
    one = torch.eye(a.shape[-2], columns, dtype=a.dtype)
    return one.expand(*a.shape[:-2], *one.shape).clone()


@decomposes(aten.linalg_householder_product.default)
def householder_product(vectors: Tensor, tau: Tensor) -> Tensor:
    return apply_reflections(vectors, tau, _identity(vectors, vectors.shape[-1]), from_last=True)


@decomposes(aten.ormqr.default)
def ormqr(vectors: Tensor, tau: Tensor, c: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    if left:
        return apply_reflections(vectors, tau, c, from_last=not transpose)
    return apply_reflections(vectors, tau, c.mT.clone(), from_last=transpose).mT.clone()


@decomposes(aten.linalg_qr.default)
def qr(a: Tensor, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    m, n = a.shape[-2:]
    stored, tau = geqrf(a)
    rows = m if mode == "complete" else min(m, n)
    upper = torch.triu(stored[..., :rows, :])
    if mode == "r":
        return torch.empty((0,), dtype=a.dtype), upper
    return apply_reflections(stored, tau, _identity(a, rows), from_last=True), upper
