// RUN: stratagem opt %s --passes 'form-kernels; match-functions' --target epyc-zen4 | filecheck %s

// Products of bytes and of bf16 go to the unit for dot products. A single row is no work for it: that product is limited
// by memory.
// CHECK-LABEL: func.func private @matmul
// CHECK-SAME:    candidates = ["epyc-zen4/half", "epyc-zen4/dot"], class = "epyc-zen4", function = "matmul", unit = "dot"
// CHECK-LABEL: func.func private @matmul_{{[0-9]+}}
// CHECK-SAME:    candidates = ["epyc-zen4/half", "epyc-zen4/dot"], class = "epyc-zen4", function = "matmul", unit = "dot"
// CHECK-LABEL: func.func private @matmul_{{[0-9]+}}
// CHECK-SAME:    function = "matvec", unit = "half"
func.func @main(%a: tensor<128x512xi8>, %b: tensor<512x256xi8>, %c: tensor<128x512xbf16>, %d: tensor<512x256xbf16>,
    %e: tensor<512xbf16>) -> (tensor<128x256xi32>, tensor<128x256xf32>, tensor<256xf32>) {
  %z = arith.constant 0 : i32
  %zf = arith.constant 0.0 : f32
  %ei = tensor.empty() : tensor<128x256xi32>
  %ef = tensor.empty() : tensor<128x256xf32>
  %ev = tensor.empty() : tensor<256xf32>
  %fi = linalg.fill ins(%z : i32) outs(%ei : tensor<128x256xi32>) -> tensor<128x256xi32>
  %ff = linalg.fill ins(%zf : f32) outs(%ef : tensor<128x256xf32>) -> tensor<128x256xf32>
  %fv = linalg.fill ins(%zf : f32) outs(%ev : tensor<256xf32>) -> tensor<256xf32>
  %p = linalg.matmul ins(%a, %b : tensor<128x512xi8>, tensor<512x256xi8>) outs(%fi : tensor<128x256xi32>) -> tensor<128x256xi32>
  %q = linalg.matmul ins(%c, %d : tensor<128x512xbf16>, tensor<512x256xbf16>) outs(%ff : tensor<128x256xf32>) -> tensor<128x256xf32>
  %r = linalg.vecmat ins(%e, %d : tensor<512xbf16>, tensor<512x256xbf16>) outs(%fv : tensor<256xf32>) -> tensor<256xf32>
  return %p, %q, %r : tensor<128x256xi32>, tensor<128x256xf32>, tensor<256xf32>
}
