// RUN: stratagem opt %s --passes 'assert-indices' | filecheck %s

// A scatter writes at places that data decide, here pairs of row and column: each column of pairs is compared.
// CHECK-LABEL: func.func @main
// CHECK:         cf.assert {{.*}}, "an index is outside dimension 0 of size 5
// CHECK:         cf.assert {{.*}}, "an index is outside dimension 1 of size 3
// CHECK:         tm_tensor.scatter
func.func @main(%x: tensor<5x3xf32> {model.input = "x"}, %i: tensor<2x2xi32> {model.input = "i"},
                %u: tensor<2xf32> {model.input = "u"}) -> (tensor<5x3xf32> {model.output = "y"}) {
  %y = tm_tensor.scatter {dimension_map = array<i64: 0, 1>} unique_indices(false)
      ins(%u, %i : tensor<2xf32>, tensor<2x2xi32>) outs(%x : tensor<5x3xf32>) {
  ^bb0(%a: f32, %b: f32):
    tm_tensor.yield %a : f32
  } -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}
