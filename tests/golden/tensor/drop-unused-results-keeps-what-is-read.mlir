// RUN: stratagem opt %s --passes 'drop-unused-results' | filecheck %s

#rows = affine_map<(d0, d1) -> (d0)>
#all = affine_map<(d0, d1) -> (d0, d1)>

// The running maximum decides about the index, so it stays although nobody reads the final maximum.
// CHECK: linalg.yield %{{.*}}, %{{.*}} : f32, i64
func.func @main(%x: tensor<3x5xf32> {model.input = "x"}, %v: tensor<3xf32> {model.input = "v"},
                %i: tensor<3xi64> {model.input = "i"}) -> (tensor<3xi64> {model.output = "y"}) {
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
  return %r#1 : tensor<3xi64>
}
