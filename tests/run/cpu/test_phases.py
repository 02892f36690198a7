"""Whole kernels in device form: parallel phases, clamped tiles, staging loops, several destinations, failures."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.errors import PassError
from tests.run.cpu.harness import Kernels, runtime

TILED = """
func.func private @k(
    %a: tensor<?x70xf32>, %w: tensor<70x90xf32>, %b: tensor<90xf32>, %out: tensor<?x90xf32> {device.dest})
    -> tensor<?x90xf32> attributes {device.kernel = {class = "test", unit = "fma", function = "matmul"}} {
  %c0 = arith.constant 0 : index
  %c70 = arith.constant 70 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant 0.0 : f32
  %m = tensor.dim %out, %c0 : tensor<?x90xf32>
  %r = scf.forall (%i, %j) = (0, 0) to (%m, 90) step (24, 40) shared_outs(%o = %out) -> (tensor<?x90xf32>) {
    %mt = affine.min affine_map<(d0)[s0] -> (s0 - d0, 24)>(%i)[%m]
    %nt = affine.min affine_map<(d0) -> (90 - d0, 40)>(%j)
    %ot = tensor.extract_slice %o[%i, %j] [%mt, %nt] [1, 1] : tensor<?x90xf32> to tensor<?x?xf32>
    %e = tensor.empty(%mt, %nt) : tensor<?x?xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
    %acc = scf.for %k = %c0 to %c70 step %c32 iter_args(%c = %f) -> (tensor<?x?xf32>) {
      %kt = affine.min affine_map<(d0) -> (70 - d0, 32)>(%k)
      %at = tensor.extract_slice %a[%i, %k] [%mt, %kt] [1, 1] : tensor<?x70xf32> to tensor<?x?xf32>
      %wt = tensor.extract_slice %w[%k, %j] [%kt, %nt] [1, 1] : tensor<70x90xf32> to tensor<?x?xf32>
      %p = linalg.matmul ins(%at, %wt : tensor<?x?xf32>, tensor<?x?xf32>) outs(%c : tensor<?x?xf32>) -> tensor<?x?xf32>
      scf.yield %p : tensor<?x?xf32>
    } {device.level = "l1"}
    %bt = tensor.extract_slice %b[%j] [%nt] [1] : tensor<90xf32> to tensor<?xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(i,j)->(i,j)>, affine_map<(i,j)->(j)>, affine_map<(i,j)->(i,j)>],
        iterator_types = ["parallel", "parallel"]}
        ins(%acc, %bt : tensor<?x?xf32>, tensor<?xf32>) outs(%ot : tensor<?x?xf32>) {
      ^bb0(%x: f32, %v: f32, %s: f32):
        %t = arith.addf %x, %v : f32
        linalg.yield %t : f32
    } -> tensor<?x?xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %y into %o[%i, %j] [%mt, %nt] [1, 1] : tensor<?x?xf32> into tensor<?x90xf32>
    }
  } {device.tier = "core"}
  return %r : tensor<?x90xf32>
}"""


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rows", [1, 23, 24, 25, 97])
def test_tiles_that_do_not_divide(threads: int, rows: int) -> None:
    random = np.random.default_rng(rows)
    a, w, b = (random.standard_normal(s).astype(np.float32) for s in ((rows, 70), (70, 90), (90,)))
    kernels = _tiled()
    runtime().set_threads(threads)
    try:
        got = kernels.guarded("k", a, w, b, np.full((rows, 90), np.nan, np.float32))[0]
    finally:
        runtime().set_threads(0)
    exact = a.astype(np.float64) @ w + b
    bound = 74 * 2.0**-24 * (np.abs(a).astype(np.float64) @ np.abs(w) + np.abs(b))
    assert (np.abs(got - exact) <= bound).all()


_cache: list[Kernels] = []


def _tiled() -> Kernels:
    if not _cache:
        _cache.append(Kernels(TILED))
    return _cache[0]


TWO_PHASES = """
func.func private @k(%x: tensor<?xf32>, %half: tensor<?xf32> {device.dest}, %out: tensor<?xf32> {device.dest})
    -> (tensor<?xf32>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %tmp = tensor.empty(%n) : tensor<?xf32>
  %t = scf.forall (%i) = (0) to (%n) step (8) shared_outs(%o = %tmp) -> (tensor<?xf32>) {
    %s = affine.min affine_map<(d0)[s0] -> (s0 - d0, 8)>(%i)[%n]
    %xs = tensor.extract_slice %x[%i] [%s] [1] : tensor<?xf32> to tensor<?xf32>
    %os = tensor.extract_slice %o[%i] [%s] [1] : tensor<?xf32> to tensor<?xf32>
    %y = linalg.add ins(%xs, %xs : tensor<?xf32>, tensor<?xf32>) outs(%os : tensor<?xf32>) -> tensor<?xf32>
    scf.forall.in_parallel { tensor.parallel_insert_slice %y into %o[%i] [%s] [1] : tensor<?xf32> into tensor<?xf32> }
  } {device.tier = "core"}
  %r:2 = scf.forall (%i) = (0) to (%n) step (8) shared_outs(%h = %half, %o = %out) -> (tensor<?xf32>, tensor<?xf32>) {
    %s = affine.min affine_map<(d0)[s0] -> (s0 - d0, 8)>(%i)[%n]
    %hs = tensor.extract_slice %h[%i] [%s] [1] : tensor<?xf32> to tensor<?xf32>
    %os = tensor.extract_slice %o[%i] [%s] [1] : tensor<?xf32> to tensor<?xf32>
    %ts = tensor.extract_slice %t[%i] [%s] [1] : tensor<?xf32> to tensor<?xf32>
    %last = arith.subi %n, %c1 : index
    %mirror = tensor.extract %t[%last] : tensor<?xf32>
    %a = linalg.copy ins(%ts : tensor<?xf32>) outs(%hs : tensor<?xf32>) -> tensor<?xf32>
    %b = linalg.fill ins(%mirror : f32) outs(%os : tensor<?xf32>) -> tensor<?xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %a into %h[%i] [%s] [1] : tensor<?xf32> into tensor<?xf32>
      tensor.parallel_insert_slice %b into %o[%i] [%s] [1] : tensor<?xf32> into tensor<?xf32>
    }
  } {device.tier = "core"}
  return %r#0, %r#1 : tensor<?xf32>, tensor<?xf32>
}"""


def test_a_phase_sees_all_of_the_phase_before() -> None:
    kernels = Kernels(TWO_PHASES)
    for n in (1, 8, 77, 1000):
        x = np.random.default_rng(n).standard_normal(n).astype(np.float32)
        doubled, last = kernels.guarded("k", x, np.zeros(n, np.float32), np.zeros(n, np.float32), outputs=2)
        assert (doubled == 2 * x).all()
        assert (last == 2 * x[-1]).all()


def test_results_without_destination_are_refused() -> None:
    text = "func.func private @k(%x: tensor<4xf32>) -> tensor<4xf32> {\n return %x : tensor<4xf32>\n}"
    with pytest.raises(PassError, match="1 results and 0 destinations"):
        Kernels(text)
