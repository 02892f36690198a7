// RUN: stratagem opt %s --passes 'form-kernels' | filecheck %s

// A matmul takes its bias and activation along; weights stored transposed are read in place; the second use of the same
// kernel calls the same function.
// CHECK-LABEL: func.func @main
// CHECK:         %[[E:.*]] = tensor.empty() : tensor<13x37xf32>
// CHECK-NEXT:    %[[A:.*]] = call @[[K:.*]](%{{.*}}, %{{.*}}, %{{.*}}, %[[E]])
// CHECK-NEXT:    %[[B:.*]] = call @[[K]](%[[A]], %{{.*}}, %{{.*}}, %[[E]])
// CHECK-NEXT:    return %[[B]]
// CHECK-LABEL: func.func private @
// CHECK-SAME:    tensor<13x37xf32> {device.dest}) -> tensor<13x37xf32>
// CHECK:         linalg.generic
// CHECK-SAME:    ["parallel", "parallel", "reduction"]
// CHECK:         linalg.generic
// CHECK-SAME:    ["parallel", "parallel"]
// CHECK:           arith.addf
// CHECK-NEXT:      arith.maximumf
// CHECK-NOT:     func.func private
#id = affine_map<(d0, d1) -> (d0, d1)>
#col = affine_map<(d0, d1) -> (d1)>
func.func @main(%x: tensor<13x37xf32>, %w: tensor<37x37xf32>, %b: tensor<37xf32>) -> tensor<13x37xf32> {
  %zero = arith.constant 0.0 : f32
  %t = tensor.empty() : tensor<37x37xf32>
  %wt = linalg.transpose ins(%w : tensor<37x37xf32>) outs(%t : tensor<37x37xf32>) permutation = [1, 0]
  %e = tensor.empty() : tensor<13x37xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<13x37xf32>) -> tensor<13x37xf32>
  %m = linalg.matmul ins(%x, %wt : tensor<13x37xf32>, tensor<37x37xf32>) outs(%f : tensor<13x37xf32>) -> tensor<13x37xf32>
  %y = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
    ins(%m, %b : tensor<13x37xf32>, tensor<37xf32>) outs(%e : tensor<13x37xf32>) {
  ^bb0(%u: f32, %v: f32, %o: f32):
    %s = arith.addf %u, %v : f32
    %r = arith.maximumf %s, %zero : f32
    linalg.yield %r : f32
  } -> tensor<13x37xf32>
  %n = linalg.matmul ins(%y, %wt : tensor<13x37xf32>, tensor<37x37xf32>) outs(%f : tensor<13x37xf32>) -> tensor<13x37xf32>
  %z = linalg.generic {indexing_maps = [#id, #col, #id], iterator_types = ["parallel", "parallel"]}
    ins(%n, %b : tensor<13x37xf32>, tensor<37xf32>) outs(%e : tensor<13x37xf32>) {
  ^bb0(%u: f32, %v: f32, %o: f32):
    %s = arith.addf %u, %v : f32
    %r = arith.maximumf %s, %zero : f32
    linalg.yield %r : f32
  } -> tensor<13x37xf32>
  return %z : tensor<13x37xf32>
}
