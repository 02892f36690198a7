// RUN: stratagem opt %s --passes 'fold-parameters; form-kernels; match-functions; pack-weights' --target generic-avx512 | filecheck %s

// The weight (stored by the first pass: the exponential of a constant) is kept in panels of four vectors of 16 columns.
// The kernel's columns are two dimensions, in its epilogue, too; the caller sees them as one.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %arg2: tensor<2x96x64xf32> {model.param = "constant.folded.panels"}
// CHECK:         %[[B:.*]] = tensor.expand_shape %arg1 {{\[}}[0, 1]] output_shape [2, 64]
// CHECK:         %[[Y:.*]] = call @[[K:.*]](%arg0, %arg2, %[[B]], %{{.*}}) {{.*}} -> tensor<?x2x64xf32>
// CHECK:         tensor.collapse_shape %[[Y]] {{\[}}[0], [1, 2]] : tensor<?x2x64xf32> into tensor<?x128xf32>
// CHECK:       func.func private @[[K]](%arg0: tensor<?x96xf32>, %arg1: tensor<2x96x64xf32>, %arg2: tensor<2x64xf32>
// CHECK:         iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK:         arith.addf
// CHECK:         iterator_types = ["parallel", "parallel", "parallel"]
// CHECK:         return %{{.*}} : tensor<?x2x64xf32>
#mn = affine_map<(m, n) -> (m, n)>
#n = affine_map<(m, n) -> (n)>
func.func @main(%x: tensor<?x96xf32> {model.input = "x"}, %b: tensor<128xf32> {model.param = "b"})
    -> (tensor<?x128xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %ew = tensor.empty() : tensor<96x128xf32>
  %fw = linalg.fill ins(%zero : f32) outs(%ew : tensor<96x128xf32>) -> tensor<96x128xf32>
  %w = linalg.exp ins(%fw : tensor<96x128xf32>) outs(%ew : tensor<96x128xf32>) -> tensor<96x128xf32>
  %m = tensor.dim %x, %c0 : tensor<?x96xf32>
  %e = tensor.empty(%m) : tensor<?x128xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<?x128xf32>) -> tensor<?x128xf32>
  %p = linalg.matmul ins(%x, %w : tensor<?x96xf32>, tensor<96x128xf32>) outs(%i : tensor<?x128xf32>)
    -> tensor<?x128xf32>
  %y = linalg.generic {indexing_maps = [#mn, #n, #mn], iterator_types = ["parallel", "parallel"]}
      ins(%p, %b : tensor<?x128xf32>, tensor<128xf32>) outs(%e : tensor<?x128xf32>) {
  ^bb0(%l: f32, %r: f32, %o: f32):
    %s = arith.addf %l, %r : f32
    linalg.yield %s : f32
  } -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
