"""Programs at tensor and device level that the interpreter's tests share, as MLIR text."""

from __future__ import annotations

MATMUL_GELU_TENSOR = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
func.func @main(%a: tensor<?x19xf32> {model.input = "a"}, %w: tensor<19x23xf32> {model.param = "w"},
                %b: tensor<23xf32> {model.param = "b"}) -> (tensor<?x23xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %root = arith.constant 0.707106769 : f32
  %c0 = arith.constant 0 : index
  %m = tensor.dim %a, %c0 : tensor<?x19xf32>
  %e = tensor.empty(%m) : tensor<?x23xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x23xf32>) -> tensor<?x23xf32>
  %p = linalg.matmul ins(%a, %w : tensor<?x19xf32>, tensor<19x23xf32>) outs(%z : tensor<?x23xf32>) -> tensor<?x23xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p, %b : tensor<?x23xf32>, tensor<23xf32>) outs(%e : tensor<?x23xf32>) {
  ^bb0(%x: f32, %c: f32, %o: f32):
    %s = arith.addf %x, %c : f32
    %t = arith.mulf %s, %root : f32
    %u = math.erf %t : f32
    %v = arith.addf %u, %one : f32
    %h = arith.mulf %s, %half : f32
    %g = arith.mulf %h, %v : f32
    linalg.yield %g : f32
  } -> tensor<?x23xf32>
  return %y : tensor<?x23xf32>
}
"""

MATMUL_GELU_DEVICE = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
module attributes {stratagem.level = "device"} {
func.func @main(%a: tensor<?x19xf32> {model.input = "a"}, %w: tensor<19x23xf32> {model.param = "w"},
                %b: tensor<23xf32> {model.param = "b"}) -> (tensor<?x23xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %a, %c0 : tensor<?x19xf32>
  %e = tensor.empty(%m) : tensor<?x23xf32>
  %y = func.call @matmul_gelu(%a, %w, %b, %e)
      : (tensor<?x19xf32>, tensor<19x23xf32>, tensor<23xf32>, tensor<?x23xf32>) -> tensor<?x23xf32>
  return %y : tensor<?x23xf32>
}
func.func private @matmul_gelu(%a: tensor<?x19xf32>, %w: tensor<19x23xf32>, %bias: tensor<23xf32>,
                               %out: tensor<?x23xf32> {device.dest}) -> tensor<?x23xf32>
    attributes {device.kernel = {class = "host", unit = "fma", function = "matmul"}} {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %root = arith.constant 0.707106769 : f32
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c19 = arith.constant 19 : index
  %m = tensor.dim %out, %c0 : tensor<?x23xf32>
  %r = scf.forall (%i, %j) = (0, 0) to (%m, 23) step (4, 16) shared_outs(%o = %out) -> (tensor<?x23xf32>) {
    %mt = affine.min affine_map<(d0)[s0] -> (s0 - d0, 4)>(%i)[%m]
    %nt = affine.min affine_map<(d0) -> (23 - d0, 16)>(%j)
    %at = tensor.extract_slice %a[%i, 0] [%mt, 19] [1, 1] : tensor<?x19xf32> to tensor<?x19xf32>
    %wt = tensor.extract_slice %w[0, %j] [19, %nt] [1, 1] : tensor<19x23xf32> to tensor<19x?xf32>
    %bt = tensor.extract_slice %bias[%j] [%nt] [1] : tensor<23xf32> to tensor<?xf32>
    %ot = tensor.extract_slice %o[%i, %j] [%mt, %nt] [1, 1] : tensor<?x23xf32> to tensor<?x?xf32>
    %e = tensor.empty(%mt, %nt) : tensor<?x?xf32>
    %acc0 = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
    %acc = scf.for %k = %c0 to %c19 step %c8 iter_args(%acc1 = %acc0) -> (tensor<?x?xf32>) {
      %kt = affine.min affine_map<(d0) -> (19 - d0, 8)>(%k)
      %ak = tensor.extract_slice %at[0, %k] [%mt, %kt] [1, 1] : tensor<?x19xf32> to tensor<?x?xf32>
      %wk = tensor.extract_slice %wt[%k, 0] [%kt, %nt] [1, 1] : tensor<19x?xf32> to tensor<?x?xf32>
      %mm = linalg.matmul ins(%ak, %wk : tensor<?x?xf32>, tensor<?x?xf32>) outs(%acc1 : tensor<?x?xf32>) -> tensor<?x?xf32>
      scf.yield %mm : tensor<?x?xf32>
    } {device.level = "l1"}
    %g = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
        ins(%acc, %bt : tensor<?x?xf32>, tensor<?xf32>) outs(%ot : tensor<?x?xf32>) {
    ^bb0(%x: f32, %c: f32, %old: f32):
      %s = arith.addf %x, %c : f32
      %t = arith.mulf %s, %root : f32
      %u = math.erf %t : f32
      %v = arith.addf %u, %one : f32
      %h = arith.mulf %s, %half : f32
      %q = arith.mulf %h, %v : f32
      linalg.yield %q : f32
    } -> tensor<?x?xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %g into %o[%i, %j] [%mt, %nt] [1, 1] : tensor<?x?xf32> into tensor<?x23xf32>
    }
  } {device.tier = "core"}
  return %r : tensor<?x23xf32>
}
}
"""
