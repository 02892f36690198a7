// RUN: stratagem opt %s --passes 'form-kernels' | filecheck %s

// The second operation picks sums by a computed index: they may lie in any tile, so the sums are a kernel of their own.
// CHECK-LABEL: func.func @main
// CHECK:         %[[SUMS:.*]] = call @[[FIRST:.*]](%arg0, %{{.*}})
// CHECK:         call @[[SECOND:.*]]({{.*}}%[[SUMS]]
// CHECK:       func.func private @[[FIRST]]
// CHECK:       func.func private @[[SECOND]]
#rows = affine_map<(i, j) -> (i)>
#all = affine_map<(i, j) -> (i, j)>
func.func @main(%x: tensor<5x7xf32> {model.input = "x"}) -> (tensor<5x7xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<5xf32>) -> tensor<5xf32>
  %sums = linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<5x7xf32>) outs(%f : tensor<5xf32>) {
  ^bb0(%a: f32, %s: f32):
    %t = arith.addf %a, %s : f32
    linalg.yield %t : f32
  } -> tensor<5xf32>
  %o = tensor.empty() : tensor<5x7xf32>
  %y = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<5x7xf32>) outs(%o : tensor<5x7xf32>) {
  ^bb0(%a: f32, %b: f32):
    %i = linalg.index 0 : index
    %c4 = arith.constant 4 : index
    %mirrored = arith.subi %c4, %i : index
    %sum = tensor.extract %sums[%mirrored] : tensor<5xf32>
    %q = arith.mulf %a, %sum : f32
    linalg.yield %q : f32
  } -> tensor<5x7xf32>
  return %y : tensor<5x7xf32>
}
