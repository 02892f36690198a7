// RUN: stratagem opt %s --passes 'assert-sizes' | filecheck %s

// %x and %y must have as many rows; %x and %w agree by their types, and the empty tensor is made to fit.
// CHECK-LABEL: func.func @main
// CHECK-DAG:     %[[X:.*]] = tensor.dim %arg0, %c0
// CHECK-DAG:     %[[Y:.*]] = tensor.dim %arg1, %c0
// CHECK:         %[[SAME:.*]] = arith.cmpi eq, %[[X]], %[[Y]]
// CHECK:         cf.assert %[[SAME]], "sizes do not fit together: dimension 0 and dimension 0 of the operands
// CHECK-NOT:     cf.assert
// CHECK:         linalg.add
func.func @main(%x: tensor<?x4xf32> {model.input = "x"}, %y: tensor<?x4xf32> {model.input = "y"})
    -> (tensor<?x4xf32> {model.output = "z"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %z = linalg.add ins(%x, %y : tensor<?x4xf32>, tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
