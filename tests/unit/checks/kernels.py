"""A kernel in device form whose text tests edit to plant bugs."""

from __future__ import annotations

ADD = """
#clamp = affine_map<(d0)[s0] -> (s0 - d0, 64)>
#id = affine_map<(d0) -> (d0)>
module attributes {stratagem.level = "device"} {
  func.func @main(%x: tensor<?xf32> {model.input = "x"}) -> (tensor<?xf32> {model.output = "y"}) {
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : tensor<?xf32>
    %e = tensor.empty(%n) : tensor<?xf32>
    %y = call @double(%x, %e) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    return %y : tensor<?xf32>
  }
  func.func private @double(%x: tensor<?xf32>, %out: tensor<?xf32> {device.dest}) -> tensor<?xf32>
      attributes {device.kernel = {class = "generic-avx512", unit = "fma", function = "add"}} {
    %c0 = arith.constant 0 : index
    %n = tensor.dim %out, %c0 : tensor<?xf32>
    %r = scf.forall (%i) = (0) to (%n) step (64) shared_outs(%o = %out) -> (tensor<?xf32>) {
      %m = affine.min #clamp(%i)[%n]
      %xt = tensor.extract_slice %x[%i] [%m] [1] : tensor<?xf32> to tensor<?xf32>
      %ot = tensor.extract_slice %o[%i] [%m] [1] : tensor<?xf32> to tensor<?xf32>
      %t = linalg.add ins(%xt, %xt : tensor<?xf32>, tensor<?xf32>) outs(%ot : tensor<?xf32>) -> tensor<?xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %t into %o[%i] [%m] [1] : tensor<?xf32> into tensor<?xf32>
      }
    } {device.tier = "core"}
    return %r : tensor<?xf32>
  }
}
"""
