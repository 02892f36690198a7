// RUN: stratagem opt %s --passes 'partition-program{strategy=tensor}' --target two-hosts | filecheck %s

// A two-layer perceptron becomes column parallel, then row parallel, with one sum over the ranks behind the second
// product: Megatron's arrangement, found from the indexing maps.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    tensor<16x16xf32> {model.param = "w1", system.shard = "[[AXIS:.*]]:1"}
// CHECK-SAME:    tensor<16x16xf32> {model.param = "w2", system.shard = "[[AXIS]]:0"}
// CHECK:         %[[H:.*]] = linalg.matmul ins(%arg0, %arg1 : tensor<8x16xf32>, tensor<16x16xf32>)
// CHECK:         %[[T:.*]] = linalg.tanh ins(%[[H]]
// CHECK:         %[[P:.*]] = linalg.matmul ins(%[[T]], %arg2
// CHECK:         %[[R:.*]] = "system.all_reduce"(%[[P]]) {axis = "[[AXIS]]", reduction = "sum"}
// CHECK:         return %[[R]]
func.func @main(%x: tensor<8x16xf32> {model.input = "x"}, %w1: tensor<16x32xf32> {model.param = "w1"},
                %w2: tensor<32x16xf32> {model.param = "w2"}) -> (tensor<8x16xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x32xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<8x32xf32>) -> tensor<8x32xf32>
  %h = linalg.matmul ins(%x, %w1 : tensor<8x16xf32>, tensor<16x32xf32>) outs(%f : tensor<8x32xf32>) -> tensor<8x32xf32>
  %t = linalg.tanh ins(%h : tensor<8x32xf32>) outs(%e : tensor<8x32xf32>) -> tensor<8x32xf32>
  %e2 = tensor.empty() : tensor<8x16xf32>
  %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<8x16xf32>) -> tensor<8x16xf32>
  %o = linalg.matmul ins(%t, %w2 : tensor<8x32xf32>, tensor<32x16xf32>) outs(%f2 : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %o : tensor<8x16xf32>
}
