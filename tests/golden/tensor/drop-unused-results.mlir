// RUN: stratagem opt %s --passes 'drop-unused-results' | filecheck %s

#rows = affine_map<(d0, d1) -> (d0)>
#all = affine_map<(d0, d1) -> (d0, d1)>

// The maximum as torch's softmax computes it: with an index that nobody reads.
// CHECK-LABEL: func.func @main
// CHECK-NOT:     i64
// CHECK:         linalg.generic
// CHECK-SAME:      outs(%{{.*}} : tensor<3xf32>)
// CHECK-NEXT:    ^bb0(%[[IN:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-NEXT:      %[[MAX:.*]] = arith.maximumf %[[IN]], %[[OUT]]
// CHECK-NEXT:      linalg.yield %[[MAX]] : f32
func.func @main(%x: tensor<3x5xf32> {model.input = "x"}) -> (tensor<3xf32> {model.output = "y"}) {
  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0 : i64
  %values = tensor.empty() : tensor<3xf32>
  %indices = tensor.empty() : tensor<3xi64>
  %v = linalg.fill ins(%low : f32) outs(%values : tensor<3xf32>) -> tensor<3xf32>
  %i = linalg.fill ins(%zero : i64) outs(%indices : tensor<3xi64>) -> tensor<3xi64>
  %r:2 = linalg.generic {indexing_maps = [#all, #rows, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<3x5xf32>) outs(%v, %i : tensor<3xf32>, tensor<3xi64>) {
  ^bb0(%in: f32, %best: f32, %at: i64):
    %j = linalg.index 1 : index
    %here = arith.index_cast %j : index to i64
    %max = arith.maximumf %in, %best : f32
    %better = arith.cmpf ogt, %in, %best : f32
    %where = arith.select %better, %here, %at : i64
    linalg.yield %max, %where : f32, i64
  } -> (tensor<3xf32>, tensor<3xi64>)
  return %r#0 : tensor<3xf32>
}
