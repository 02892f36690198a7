// RUN: stratagem opt %s --passes 'mlir{pipeline=canonicalize}; fill-splats' | filecheck %s

// Folding makes a constant of the second splat, and one of few elements of the third, which may stay.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[X:.*]]: f32, %[[N:.*]]: index
// CHECK-DAG:     %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-DAG:     %[[SMALL:.*]] = arith.constant dense<1.000000e+00> : tensor<2x3xf32>
// CHECK:         %[[E:.*]] = tensor.empty() : tensor<13x5xf32>
// CHECK:         %[[LARGE:.*]] = linalg.fill ins(%[[ONE]] : f32) outs(%[[E]] : tensor<13x5xf32>)
// CHECK:         %[[F:.*]] = tensor.empty(%[[N]]) : tensor<?x7xf32>
// CHECK:         %[[FREE:.*]] = linalg.fill ins(%[[X]] : f32) outs(%[[F]] : tensor<?x7xf32>)
// CHECK:         return %[[FREE]], %[[LARGE]], %[[SMALL]]
func.func @main(%x: f32, %n: index) -> (tensor<?x7xf32>, tensor<13x5xf32>, tensor<2x3xf32>) {
  %one = arith.constant 1.0 : f32
  %a = tensor.splat %x[%n] : tensor<?x7xf32>
  %b = tensor.splat %one : tensor<13x5xf32>
  %c = tensor.splat %one : tensor<2x3xf32>
  return %a, %b, %c : tensor<?x7xf32>, tensor<13x5xf32>, tensor<2x3xf32>
}
