// RUN: stratagem opt %s --passes 'propagate-layouts' --target generic-avx512 | filecheck %s

// Rows of 14 leave an eighth of each vector empty; 64 channels fill four. What lies between the convolutions follows: a
// padding, elementwise work, a joined tensor. One transposition where the picture comes in; the mean needs none.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[X:arg[0-9]+]]: tensor<1x64x16x16xf32>
// CHECK:         linalg.generic {{.*}} ins(%[[X]] : tensor<1x64x16x16xf32>) outs(%{{.*}} : tensor<1x16x16x64xf32>)
// CHECK-NOT:     tensor<1x64x14x14xf32>
// CHECK:         tensor.pad %{{.*}} low[0, 1, 1, 0] high[0, 1, 1, 0]
// CHECK-NOT:     tensor<1x64x14x14xf32>
// CHECK:         tensor.concat dim(3) %{{.*}} : (tensor<1x14x14x64xf32>, tensor<1x14x14x64xf32>) -> tensor<1x14x14x128xf32>
// CHECK:         ins(%{{.*}} : tensor<1x14x14x128xf32>) outs(%{{.*}} : tensor<1x128xf32>)
#id = affine_map<(n, c, h, w) -> (n, c, h, w)>
#nc = affine_map<(n, c, h, w) -> (n, c)>
func.func @main(%x: tensor<1x64x16x16xf32> {model.input = "x"}, %v: tensor<64x64x3x3xf32> {model.param = "v"},
    %w: tensor<64x64x3x3xf32> {model.param = "w"}) -> (tensor<1x128xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x64x14x14xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x64x14x14xf32>) -> tensor<1x64x14x14xf32>
  %a = linalg.conv_2d_nchw_fchw ins(%x, %v : tensor<1x64x16x16xf32>, tensor<64x64x3x3xf32>)
      outs(%f : tensor<1x64x14x14xf32>) -> tensor<1x64x14x14xf32>
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%a : tensor<1x64x14x14xf32>) outs(%e : tensor<1x64x14x14xf32>) {
  ^bb0(%l: f32, %o: f32):
    %m = arith.maximumf %l, %zero : f32
    linalg.yield %m : f32
  } -> tensor<1x64x14x14xf32>
  %p = tensor.pad %r low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index, %q: index):
    tensor.yield %zero : f32
  } : tensor<1x64x14x14xf32> to tensor<1x64x16x16xf32>
  %b = linalg.conv_2d_nchw_fchw ins(%p, %w : tensor<1x64x16x16xf32>, tensor<64x64x3x3xf32>)
      outs(%f : tensor<1x64x14x14xf32>) -> tensor<1x64x14x14xf32>
  %c = tensor.concat dim(1) %r, %b : (tensor<1x64x14x14xf32>, tensor<1x64x14x14xf32>) -> tensor<1x128x14x14xf32>
  %g = tensor.empty() : tensor<1x128xf32>
  %h = linalg.fill ins(%zero : f32) outs(%g : tensor<1x128xf32>) -> tensor<1x128xf32>
  %s = linalg.generic {indexing_maps = [#id, #nc], iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%c : tensor<1x128x14x14xf32>) outs(%h : tensor<1x128xf32>) {
  ^bb0(%l: f32, %o: f32):
    %t = arith.addf %l, %o : f32
    linalg.yield %t : f32
  } -> tensor<1x128xf32>
  return %s : tensor<1x128xf32>
}
