// RUN: stratagem opt %s --passes 'bufferize-host' | filecheck %s

// A result that may be a constant, on some way to it, is a copy with memory of its own; an input handed through is not.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[X:.*]]: memref<2xi64> {model.input = "x"}
// CHECK-DAG:     %[[A:.*]] = memref.get_global @__constant_2xi64 :
// CHECK-DAG:     %[[B:.*]] = memref.get_global @__constant_2xi64_0 :
// CHECK:         %[[ONE:.*]] = arith.select %{{.*}}, %[[B]], %[[A]]
// CHECK:         %[[OWN:.*]] = memref.alloc()
// CHECK:         memref.copy %[[A]], %[[OWN]]
// CHECK:         %[[R:.*]] = memref.alloc()
// CHECK:         memref.copy %[[ONE]], %[[R]]
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
