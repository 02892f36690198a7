// RUN: stratagem opt %s --passes 'form-kernels' --target generic-avx512 | filecheck %s

// The keys are turned and scaled for one query. The query is scaled instead, and the product reads the keys as they lie.
// CHECK-LABEL: func.func @main
// CHECK:         %[[Q:.*]] = call @[[MUL:.*]](%arg0, %{{.*}}) : (tensor<3x1x64xf32>, tensor<3x1x64xf32>)
// CHECK:         call @[[ONE:.*]](%[[Q]], %arg1, %{{.*}}) : (tensor<3x1x64xf32>, tensor<3x513x64xf32>,
// CHECK-NOT:     call
// CHECK:       func.func private @[[MUL]]
// CHECK:         arith.truncf
// CHECK-NEXT:    arith.mulf
#id = affine_map<(b, i, j) -> (b, i, j)>
func.func @main(%q: tensor<3x1x64xf32> {model.input = "q"}, %k: tensor<3x513x64xf32> {model.input = "k"})
    -> (tensor<3x1x513xf32> {model.output = "s"}) {
  %zero = arith.constant 0.0 : f32
  %d = arith.constant 0.35355339059327379 : f64
  %e = tensor.empty() : tensor<3x64x513xf32>
  %t = linalg.transpose ins(%k : tensor<3x513x64xf32>) outs(%e : tensor<3x64x513xf32>) permutation = [0, 2, 1]
  %m = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%t : tensor<3x64x513xf32>) outs(%e : tensor<3x64x513xf32>) {
  ^bb0(%x: f32, %o: f32):
    %c = arith.truncf %d : f64 to f32
    %p = arith.mulf %x, %c : f32
    linalg.yield %p : f32
  } -> tensor<3x64x513xf32>
  %es = tensor.empty() : tensor<3x1x513xf32>
  %is = linalg.fill ins(%zero : f32) outs(%es : tensor<3x1x513xf32>) -> tensor<3x1x513xf32>
  %s = linalg.batch_matmul ins(%q, %m : tensor<3x1x64xf32>, tensor<3x64x513xf32>) outs(%is : tensor<3x1x513xf32>)
    -> tensor<3x1x513xf32>
  return %s : tensor<3x1x513xf32>
}
