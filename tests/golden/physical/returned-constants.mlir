// RUN: stratagem opt %s --passes 'bufferize-host' | filecheck %s

// A result that is a constant gets memory of its own, on each way to it; an input handed through does not.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[X:.*]]: memref<2xi64> {model.input = "x"}
// CHECK-DAG:     %[[A:.*]] = memref.get_global @__constant_2xi64 :
// CHECK-DAG:     %[[B:.*]] = memref.get_global @__constant_2xi64_0 :
// CHECK:         %[[R:.*]] = scf.if
// CHECK:           %[[FIRST:.*]] = memref.alloc()
// CHECK:           memref.copy %[[B]], %[[FIRST]]
// CHECK:           scf.yield %[[FIRST]]
// CHECK:           %[[SECOND:.*]] = memref.alloc()
// CHECK:           memref.copy %[[A]], %[[SECOND]]
// CHECK:           scf.yield %[[SECOND]]
// CHECK:         %[[OWN:.*]] = memref.alloc()
// CHECK:         memref.copy %[[A]], %[[OWN]]
// CHECK:         return %[[OWN]], %[[R]], %[[X]]
module attributes {stratagem.level = "system"} {
  func.func @main(%x: tensor<2xi64> {model.input = "x"}, %c: tensor<i1> {model.input = "c"})
      -> (tensor<2xi64> {model.output = "y"}, tensor<2xi64> {model.output = "z"}, tensor<2xi64> {model.output = "w"}) {
    %a = arith.constant dense<[2, 3]> : tensor<2xi64>
    %b = arith.constant dense<[5, 7]> : tensor<2xi64>
    %i = tensor.extract %c[] : tensor<i1>
    %r = scf.if %i -> tensor<2xi64> {
      scf.yield %b : tensor<2xi64>
    } else {
      scf.yield %a : tensor<2xi64>
    }
    return %a, %r, %x : tensor<2xi64>, tensor<2xi64>, tensor<2xi64>
  }
}
