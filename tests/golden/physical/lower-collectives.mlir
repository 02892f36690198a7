// RUN: stratagem opt %s --passes 'lower-collectives' | filecheck %s

// A collective is a destination-passing call like a kernel's; the declaration says what the runtime must do.
// CHECK-LABEL: func.func @main(%arg0: tensor<1x?xf32>
// CHECK:         %[[N:.*]] = tensor.dim %arg0
// CHECK:         %[[E:.*]] = tensor.empty(%[[N]]) : tensor<2x?xf32>
// CHECK:         %[[G:.*]] = call @all_gather_0(%arg0, %[[E]])
// CHECK:         call @all_reduce_1(%[[G]],
// CHECK:       func.func private @all_gather_0(tensor<1x?xf32>, tensor<2x?xf32>) -> tensor<2x?xf32>
// CHECK-SAME:    physical.collective = {dtype = f32, kind = "all_gather"}
// CHECK:       func.func private @all_reduce_1
// CHECK-SAME:    physical.collective = {dtype = f32, kind = "all_reduce", reduction = "max"}
module {
  func.func @main(%x: tensor<1x?xf32> {model.input = "x"}) -> (tensor<2x?xf32> {model.output = "y"}) {
    %g = "system.all_gather"(%x) {axis = "tp", dim = 0 : i64} : (tensor<1x?xf32>) -> tensor<2x?xf32>
    %r = "system.all_reduce"(%g) {axis = "tp", reduction = "max"} : (tensor<2x?xf32>) -> tensor<2x?xf32>
    return %r : tensor<2x?xf32>
  }
}
