// RUN: stratagem opt %s --passes 'assert-indices' | filecheck %s

// A scatter known to have no updates writes nowhere; one whose number of updates is free may, and is compared.
// CHECK-LABEL: func.func @main
// CHECK-NOT:     cf.assert
// CHECK:         tm_tensor.scatter {{.*}} ins(%arg1, %arg2
// CHECK:         cf.assert {{.*}}, "an index is outside dimension 0 of size 5
// CHECK:         tm_tensor.scatter {{.*}} ins(%arg3, %arg4
func.func @main(%x: tensor<5x0xf32> {model.input = "x"}, %u: tensor<0x0xf32> {model.input = "u"},
                %i: tensor<0x1xi32> {model.input = "i"}, %v: tensor<?x0xf32> {model.input = "v"},
                %j: tensor<?x1xi32> {model.input = "j"}) -> (tensor<5x0xf32> {model.output = "y"}) {
  %y = tm_tensor.scatter {dimension_map = array<i64: 0>} unique_indices(false)
      ins(%u, %i : tensor<0x0xf32>, tensor<0x1xi32>) outs(%x : tensor<5x0xf32>) {
  ^bb0(%a: f32, %b: f32):
    tm_tensor.yield %a : f32
  } -> tensor<5x0xf32>
  %z = tm_tensor.scatter {dimension_map = array<i64: 0>} unique_indices(false)
      ins(%v, %j : tensor<?x0xf32>, tensor<?x1xi32>) outs(%y : tensor<5x0xf32>) {
  ^bb0(%a: f32, %b: f32):
    tm_tensor.yield %a : f32
  } -> tensor<5x0xf32>
  return %z : tensor<5x0xf32>
}
