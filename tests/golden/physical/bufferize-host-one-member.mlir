// RUN: not stratagem opt %s --passes 'bufferize-host' 2>&1 | filecheck %s

// A kernel has code for one member.
// CHECK: calls of @negate are placed on 'host' and on 'pim'
module attributes {stratagem.level = "system"} {
  func.func @main(%x: tensor<5xf32> {model.input = "x"}) -> (tensor<5xf32> {model.output = "y"}) {
    %e = tensor.empty() : tensor<5xf32>
    %a = call @negate(%x, %e) {system.member = "host"} : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
    %b = call @negate(%a, %e) {system.member = "pim"} : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
    return %b : tensor<5xf32>
  }
  func.func private @negate(%x: tensor<5xf32>, %out: tensor<5xf32> {device.dest}) -> tensor<5xf32>
      attributes {device.kernel = {class = "generic-avx512", function = "neg", unit = "fma"}} {
    return %out : tensor<5xf32>
  }
}
