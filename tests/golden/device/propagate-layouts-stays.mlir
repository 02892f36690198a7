// RUN: stratagem opt %s --passes 'propagate-layouts' --target generic-avx512 | filecheck %s

// Rows of 64 fill four vectors of 16 lanes: channels last would fill them no better, and both ends would be transposed.
// CHECK-LABEL: func.func @main
// CHECK:         ins(%arg0, %arg1 : tensor<1x64x66x66xf32>, tensor<64x64x3x3xf32>)
// CHECK-SAME:    outs(%{{.*}} : tensor<1x64x64x64xf32>)
// CHECK-NOT:     tensor<1x64x64x64xf32>) outs
func.func @main(%x: tensor<1x64x66x66xf32> {model.input = "x"}, %w: tensor<64x64x3x3xf32> {model.param = "w"})
    -> (tensor<1x64x64x64xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x64x64x64xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x64x64x64xf32>) -> tensor<1x64x64x64xf32>
  %a = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x64x66x66xf32>, tensor<64x64x3x3xf32>)
      outs(%f : tensor<1x64x64x64xf32>) -> tensor<1x64x64x64xf32>
  return %a : tensor<1x64x64x64xf32>
}
