"""Kernels in device form whose text tests edit to plant bugs."""

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

WINDOW = """
#rows = affine_map<(d0)[s0] -> (s0 - d0, 8)>
#columns = affine_map<(d0)[s0] -> (s0 - d0, 64)>
#shift = affine_map<(d0, d1) -> (d0 + d1)>
module attributes {stratagem.level = "device"} {
  func.func @main(%x: tensor<?x?xf32> {model.input = "x"}, %b: tensor<?xf32> {model.input = "b"}, %k: index)
      -> (tensor<?x?xf32> {model.output = "y"}) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %rows = tensor.dim %x, %c0 : tensor<?x?xf32>
    %columns = tensor.dim %x, %c1 : tensor<?x?xf32>
    %length = tensor.dim %b, %c0 : tensor<?xf32>
    %end = arith.addi %columns, %k : index
    %fits = arith.cmpi sle, %end, %length : index
    %ahead = arith.cmpi sge, %k, %c0 : index
    %both = arith.andi %fits, %ahead : i1
    cf.assert %both, "the window reaches past b"
    %e = tensor.empty(%rows, %columns) : tensor<?x?xf32>
    %y = call @window(%x, %b, %k, %e) : (tensor<?x?xf32>, tensor<?xf32>, index, tensor<?x?xf32>) -> tensor<?x?xf32>
    return %y : tensor<?x?xf32>
  }
  func.func private @window(%x: tensor<?x?xf32>, %b: tensor<?xf32>, %k: index,
      %out: tensor<?x?xf32> {device.dest}) -> tensor<?x?xf32>
      attributes {device.kernel = {class = "generic-avx512", unit = "fma", function = "add"}} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %n = tensor.dim %out, %c0 : tensor<?x?xf32>
    %m = tensor.dim %out, %c1 : tensor<?x?xf32>
    %r = scf.forall (%i, %j) = (0, 0) to (%n, %m) step (8, 64) shared_outs(%o = %out) -> (tensor<?x?xf32>) {
      %h = affine.min #rows(%i)[%n]
      %w = affine.min #columns(%j)[%m]
      %at = affine.apply #shift(%j, %k)
      %xt = tensor.extract_slice %x[%i, %j] [%h, %w] [1, 1] : tensor<?x?xf32> to tensor<?x?xf32>
      %bt = tensor.extract_slice %b[%at] [%w] [1] : tensor<?xf32> to tensor<?xf32>
      %ot = tensor.extract_slice %o[%i, %j] [%h, %w] [1, 1] : tensor<?x?xf32> to tensor<?x?xf32>
      %t = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>,
          affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
          ins(%xt, %bt : tensor<?x?xf32>, tensor<?xf32>) outs(%ot : tensor<?x?xf32>) {
      ^bb0(%p: f32, %q: f32, %s: f32):
        %z = arith.addf %p, %q : f32
        linalg.yield %z : f32
      } -> tensor<?x?xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %t into %o[%i, %j] [%h, %w] [1, 1] : tensor<?x?xf32> into tensor<?x?xf32>
      }
    } {device.tier = "core"}
    return %r : tensor<?x?xf32>
  }
}
"""
"""A kernel of three free sizes and an index, no two of the same value: only an assertion says that the window fits."""
