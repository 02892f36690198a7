"""Tensor-level programs to cut over ranks."""

from __future__ import annotations

MLP = """
func.func @main(%x: tensor<8x16xf32> {model.input = "x"}, %w1: tensor<16x32xf32> {model.param = "w1"},
                %b1: tensor<32xf32> {model.param = "b1"}, %w2: tensor<32x16xf32> {model.param = "w2"})
    -> (tensor<8x16xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x32xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<8x32xf32>) -> tensor<8x32xf32>
  %h = linalg.matmul ins(%x, %w1 : tensor<8x16xf32>, tensor<16x32xf32>) outs(%f : tensor<8x32xf32>) -> tensor<8x32xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>,
                                        affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%h, %b1 : tensor<8x32xf32>, tensor<32xf32>) outs(%e : tensor<8x32xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %s = arith.addf %p, %q : f32
    %m = arith.maximumf %s, %zero : f32
    linalg.yield %m : f32
  } -> tensor<8x32xf32>
  %e2 = tensor.empty() : tensor<8x16xf32>
  %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<8x16xf32>) -> tensor<8x16xf32>
  %y = linalg.matmul ins(%a, %w2 : tensor<8x32xf32>, tensor<32x16xf32>) outs(%f2 : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}
"""

HEADS = """
func.func @main(%x: tensor<6x4xf32> {model.input = "x"}, %w: tensor<4x24xf32> {model.param = "w"})
    -> (tensor<3x12x4xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<6x24xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<6x24xf32>) -> tensor<6x24xf32>
  %h = linalg.matmul ins(%x, %w : tensor<6x4xf32>, tensor<4x24xf32>) outs(%f : tensor<6x24xf32>) -> tensor<6x24xf32>
  %s = tensor.expand_shape %h [[0, 1], [2, 3]] output_shape [3, 2, 6, 4] : tensor<6x24xf32> into tensor<3x2x6x4xf32>
  %m = tensor.collapse_shape %s [[0], [1, 2], [3]] : tensor<3x2x6x4xf32> into tensor<3x12x4xf32>
  %o = tensor.empty() : tensor<3x12x4xf32>
  %y = linalg.negf ins(%m : tensor<3x12x4xf32>) outs(%o : tensor<3x12x4xf32>) -> tensor<3x12x4xf32>
  return %y : tensor<3x12x4xf32>
}
"""
