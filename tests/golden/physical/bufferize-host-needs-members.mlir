// RUN: not stratagem opt %s --passes 'bufferize-host' 2>&1 | filecheck %s

// Whose module a kernel goes to is never guessed.
// CHECK: pass 'bufferize-host' of stage 'opt' failed: the call of @negate has no system.member
#id = affine_map<(d0) -> (d0)>
module attributes {stratagem.level = "system"} {
  func.func @main(%x: tensor<5xf32> {model.input = "x"}) -> (tensor<5xf32> {model.output = "y"}) {
    %e = tensor.empty() : tensor<5xf32>
    %a = call @negate(%x, %e) : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
    return %a : tensor<5xf32>
  }
  func.func private @negate(%x: tensor<5xf32>, %out: tensor<5xf32> {device.dest}) -> tensor<5xf32>
      attributes {device.kernel = {class = "generic-avx512", function = "neg", unit = "fma"}} {
    return %out : tensor<5xf32>
  }
}
