// RUN: stratagem opt %s --passes 'form-kernels; match-functions; call-libraries' --target generic-avx512 | filecheck %s

// Without a library in the hardware file there is no offer, and the claim stays.
// CHECK-LABEL: func.func private @matmul
// CHECK-SAME:    function = "matmul", unit = "fma"}
// CHECK-NOT:     device.offer
func.func @main(%a: tensor<64x64xf32> {model.input = "a"}, %b: tensor<64x64xf32> {model.input = "b"})
    -> (tensor<64x64xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x64xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = linalg.matmul ins(%a, %b : tensor<64x64xf32>, tensor<64x64xf32>) outs(%i : tensor<64x64xf32>)
    -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}
