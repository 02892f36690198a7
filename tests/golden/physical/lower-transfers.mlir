// RUN: stratagem opt %s --passes 'lower-transfers' | filecheck %s

// Transfers become facts about the launches they surround.
// CHECK-LABEL: func.func @main(%arg0: tensor<8xi32>
// CHECK-NOT:     system.transfer
// CHECK:         %[[A:.*]] = call @add(%arg0, %{{.*}}) {physical.moves_in = array<i64: 0>, physical.moves_out = array<i64: 0>
// CHECK:         return %[[A]]
module attributes {stratagem.level = "system"} {
  func.func @main(%x: tensor<8xi32> {model.input = "x"}) -> (tensor<8xi32> {model.output = "y"}) {
    %e = tensor.empty() : tensor<8xi32>
    %d = "system.transfer"(%x) {source = "host", target = "pim"} : (tensor<8xi32>) -> tensor<8xi32>
    %a = call @add(%d, %e) {system.member = "pim"} : (tensor<8xi32>, tensor<8xi32>) -> tensor<8xi32>
    %h = "system.transfer"(%a) {source = "pim", target = "host"} : (tensor<8xi32>) -> tensor<8xi32>
    return %h : tensor<8xi32>
  }
  func.func private @add(%x: tensor<8xi32>, %out: tensor<8xi32> {device.dest}) -> tensor<8xi32>
      attributes {device.kernel = {class = "upmem-rank"}} {
    return %out : tensor<8xi32>
  }
}
