// RUN: stratagem opt %s --passes 'fold-parameters' | filecheck %s

// The square root of a constant is stored; its broadcast stays, for kernels read it for free. What %x goes into stays.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %arg0: tensor<?x3xf32> {model.input = "x"}
// CHECK-SAME:    %arg1: tensor<3xf32> {model.param = "constant.folded"}
// CHECK-NOT:     math.sqrt
// CHECK:         linalg.broadcast ins(%arg1
// CHECK:         linalg.add
func.func @main(%x: tensor<?x3xf32> {model.input = "x"}) -> (tensor<?x3xf32> {model.output = "z"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x3xf32>
  %e = tensor.empty(%n) : tensor<?x3xf32>
  %d = arith.constant dense<[1.0, 4.0, 2.0]> : tensor<3xf32>
  %e3 = tensor.empty() : tensor<3xf32>
  %s = linalg.sqrt ins(%d : tensor<3xf32>) outs(%e3 : tensor<3xf32>) -> tensor<3xf32>
  %b = linalg.broadcast ins(%s : tensor<3xf32>) outs(%e : tensor<?x3xf32>) dimensions = [0]
  %z = linalg.add ins(%x, %b : tensor<?x3xf32>, tensor<?x3xf32>) outs(%e : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %z : tensor<?x3xf32>
}
