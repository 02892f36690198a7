"""Whole kernels in device form: parallel phases, clamped tiles, staging loops, several destinations, failures."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.runtime.errors import PassError
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


WINDOWED = """
func.func private @k(%x: tensor<1x20x11x31xf32>, %w: tensor<9x20x3x3xf32>, %out: tensor<1x9x9x15xf32> {device.dest})
    -> tensor<1x9x9x15xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c10 = arith.constant 10 : index
  %c20 = arith.constant 20 : index
  %r = scf.forall (%h) = (0) to (9) step (1) shared_outs(%o = %out) -> (tensor<1x9x9x15xf32>) {
    %ot = tensor.extract_slice %o[0, 0, %h, 0] [1, 9, 1, 15] [1, 1, 1, 1]
      : tensor<1x9x9x15xf32> to tensor<1x9x1x15xf32>
    %f = linalg.fill ins(%zero : f32) outs(%ot : tensor<1x9x1x15xf32>) -> tensor<1x9x1x15xf32>
    %a = scf.for %p = %c0 to %c3 step %c1 iter_args(%a1 = %f) -> (tensor<1x9x1x15xf32>) {
      %b = scf.for %q = %c0 to %c3 step %c1 iter_args(%a2 = %a1) -> (tensor<1x9x1x15xf32>) {
        %c = scf.for %n = %c0 to %c20 step %c10 iter_args(%a3 = %a2) -> (tensor<1x9x1x15xf32>) {
          %at = affine.apply affine_map<(d0, d1) -> (d0 + d1)>(%h, %p)
          %xs = tensor.extract_slice %x[0, %n, %at, %q] [1, 10, 1, 15] [1, 1, 1, 2]
            : tensor<1x20x11x31xf32> to tensor<1x10x1x15xf32>
          %ws = tensor.extract_slice %w[0, %n, %p, %q] [9, 10, 1, 1] [1, 1, 1, 1]
            : tensor<9x20x3x3xf32> to tensor<9x10x1x1xf32>
          %g = linalg.generic {indexing_maps = [
              affine_map<(n,f,h,w,c) -> (n,c,h,w)>, affine_map<(n,f,h,w,c) -> (f,c,0,0)>,
              affine_map<(n,f,h,w,c) -> (n,f,h,w)>],
              iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
              ins(%xs, %ws : tensor<1x10x1x15xf32>, tensor<9x10x1x1xf32>) outs(%a3 : tensor<1x9x1x15xf32>) {
            ^bb0(%u: f32, %v: f32, %s: f32):
              %m = arith.mulf %u, %v : f32
              %t = arith.addf %s, %m : f32
              linalg.yield %t : f32
          } -> tensor<1x9x1x15xf32>
          scf.yield %g : tensor<1x9x1x15xf32>
        } {device.level = "l1"}
        scf.yield %c : tensor<1x9x1x15xf32>
      }
      scf.yield %b : tensor<1x9x1x15xf32>
    }
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %a into %o[0, 0, %h, 0] [1, 9, 1, 15] [1, 1, 1, 1]
        : tensor<1x9x1x15xf32> into tensor<1x9x9x15xf32>
    }
  } {device.tier = "core"}
  return %r : tensor<1x9x9x15xf32>
}"""


def test_loops_over_a_window_join_the_sums() -> None:
    random = np.random.default_rng(5)
    x = random.standard_normal((1, 20, 11, 31)).astype(np.float32)
    w = random.standard_normal((9, 20, 3, 3)).astype(np.float32)
    kernels = Kernels(WINDOWED)
    got = kernels.guarded("k", x, w, np.zeros((1, 9, 9, 15), np.float32))[0]
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (3, 3), (2, 3))[:, :, :, ::2]
    exact = np.einsum("nchwpq,fcpq->nfhw", windows, w)
    assert np.abs(got - exact).max() <= 182 * 2.0**-24 * 180 * np.abs(x).max() * np.abs(w).max()
    assert kernels.code.report["kernels"]["k"]["loops"] == ["block 12x1 of 16 lanes"]
