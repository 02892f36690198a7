// RUN: stratagem opt %s --passes 'form-kernels; match-functions; pack-weights' --target generic-avx512 | filecheck %s

// A weight without data here cannot be stored anew; the product stays as it is.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    tensor<160x512xf32> {model.param = "w"}
// CHECK-NOT:     expand_shape
// CHECK-LABEL: func.func private @matmul
// CHECK-SAME:    (%arg0: tensor<5x160xf32>, %arg1: tensor<160x512xf32>, %arg2: tensor<5x512xf32> {device.dest})
func.func @main(%x: tensor<5x160xf32> {model.input = "x"}, %w: tensor<160x512xf32> {model.param = "w"})
    -> (tensor<5x512xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5x512xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<5x512xf32>) -> tensor<5x512xf32>
  %y = linalg.matmul ins(%x, %w : tensor<5x160xf32>, tensor<160x512xf32>) outs(%i : tensor<5x512xf32>)
    -> tensor<5x512xf32>
  return %y : tensor<5x512xf32>
}
