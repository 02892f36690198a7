"""Ways in which functions of libraries take their arguments: what a hardware file may name under `calls`."""

from __future__ import annotations

PASSED = ("f32", "f64")
"""Element types whose numbers they take by value: alpha and beta."""
CONVENTIONS = {
    "cblas": "C[m,n] += A[m,k] * B[k,n]",
    "cblas-ilp64": "C[m,n] += A[m,k] * B[k,n]",
    "row-major-gemm": "C[m,n] += A[m,k] * B[k,n]",
}
"""Convention -> the tensor expression of what is called.

`cblas`: `gemm(order, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)` of BLAS's C interface, numbers of
    32 bits; `cblas-ilp64`: the same with sizes of 64 bits.
`row-major-gemm`: without `order`; transpositions are the letters N and T, sizes have 64 bits, the status 0 is success.
"""
