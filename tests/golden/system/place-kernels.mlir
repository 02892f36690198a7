// RUN: stratagem opt %s --passes 'place-kernels' --target %S/idle-pim.yaml | filecheck %s

// A value moves to the member that needs it once, stays there between kernels of that member, and comes back for the
// result. A destination holds nothing yet, so it never moves.
// CHECK-LABEL: func.func @main(%arg0: tensor<8xi32>
// CHECK:         %[[E:.*]] = tensor.empty() : tensor<8xi32>
// CHECK-NEXT:    %[[X:.*]] = "system.transfer"(%arg0) {source = "host", target = "[[PIM:.*]]"}
// CHECK-NEXT:    %[[A:.*]] = call @add(%[[X]], %[[E]]) {system.member = "[[PIM]]"}
// CHECK-NEXT:    %[[B:.*]] = call @add(%[[A]], %[[E]]) {system.member = "[[PIM]]"}
// CHECK-NEXT:    %[[H:.*]] = "system.transfer"(%[[B]]) {source = "[[PIM]]", target = "host"}
// CHECK-NEXT:    call @host_add(%[[H]], %[[E]]) {system.member = "host"}
#id = affine_map<(d0) -> (d0)>
module attributes {stratagem.level = "device"} {
  func.func @main(%x: tensor<8xi32> {model.input = "x"}) -> (tensor<8xi32> {model.output = "y"}) {
    %e = tensor.empty() : tensor<8xi32>
    %a = call @add(%x, %e) : (tensor<8xi32>, tensor<8xi32>) -> tensor<8xi32>
    %b = call @add(%a, %e) : (tensor<8xi32>, tensor<8xi32>) -> tensor<8xi32>
    %c = call @host_add(%b, %e) : (tensor<8xi32>, tensor<8xi32>) -> tensor<8xi32>
    return %c : tensor<8xi32>
  }
  func.func private @add(%x: tensor<8xi32>, %out: tensor<8xi32> {device.dest}) -> tensor<8xi32>
      attributes {device.kernel = {class = "idle-pim", function = "add", unit = "alu"}} {
    return %out : tensor<8xi32>
  }
  func.func private @host_add(%x: tensor<8xi32>, %out: tensor<8xi32> {device.dest}) -> tensor<8xi32>
      attributes {device.kernel = {class = "elsewhere", function = "add", unit = "alu"}} {
    return %out : tensor<8xi32>
  }
}
