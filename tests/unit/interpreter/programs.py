"""Programs at tensor and device level that the interpreter's tests share, as MLIR text."""

from __future__ import annotations

MATMUL_GELU_TENSOR = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
func.func @main(%a: tensor<?x19xf32> {model.input = "a"}, %w: tensor<19x23xf32> {model.param = "w"},
                %b: tensor<23xf32> {model.param = "b"}) -> (tensor<?x23xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %root = arith.constant 0.707106769 : f32
  %c0 = arith.constant 0 : index
  %m = tensor.dim %a, %c0 : tensor<?x19xf32>
  %e = tensor.empty(%m) : tensor<?x23xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x23xf32>) -> tensor<?x23xf32>
  %p = linalg.matmul ins(%a, %w : tensor<?x19xf32>, tensor<19x23xf32>)
      outs(%z : tensor<?x23xf32>) -> tensor<?x23xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p, %b : tensor<?x23xf32>, tensor<23xf32>) outs(%e : tensor<?x23xf32>) {
  ^bb0(%x: f32, %c: f32, %o: f32):
    %s = arith.addf %x, %c : f32
    %t = arith.mulf %s, %root : f32
    %u = math.erf %t : f32
    %v = arith.addf %u, %one : f32
    %h = arith.mulf %s, %half : f32
    %g = arith.mulf %h, %v : f32
    linalg.yield %g : f32
  } -> tensor<?x23xf32>
  return %y : tensor<?x23xf32>
}
"""

MATMUL_GELU_DEVICE = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
module attributes {stratagem.level = "device"} {
func.func @main(%a: tensor<?x19xf32> {model.input = "a"}, %w: tensor<19x23xf32> {model.param = "w"},
                %b: tensor<23xf32> {model.param = "b"}) -> (tensor<?x23xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %a, %c0 : tensor<?x19xf32>
  %e = tensor.empty(%m) : tensor<?x23xf32>
  %y = func.call @matmul_gelu(%a, %w, %b, %e)
      : (tensor<?x19xf32>, tensor<19x23xf32>, tensor<23xf32>, tensor<?x23xf32>) -> tensor<?x23xf32>
  return %y : tensor<?x23xf32>
}
func.func private @matmul_gelu(%a: tensor<?x19xf32>, %w: tensor<19x23xf32>, %bias: tensor<23xf32>,
                               %out: tensor<?x23xf32> {device.dest}) -> tensor<?x23xf32>
    attributes {device.kernel = {class = "host", unit = "fma", function = "matmul"}} {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %root = arith.constant 0.707106769 : f32
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c19 = arith.constant 19 : index
  %m = tensor.dim %out, %c0 : tensor<?x23xf32>
  %r = scf.forall (%i, %j) = (0, 0) to (%m, 23) step (4, 16) shared_outs(%o = %out) -> (tensor<?x23xf32>) {
    %mt = affine.min affine_map<(d0)[s0] -> (s0 - d0, 4)>(%i)[%m]
    %nt = affine.min affine_map<(d0) -> (23 - d0, 16)>(%j)
    %at = tensor.extract_slice %a[%i, 0] [%mt, 19] [1, 1] : tensor<?x19xf32> to tensor<?x19xf32>
    %wt = tensor.extract_slice %w[0, %j] [19, %nt] [1, 1] : tensor<19x23xf32> to tensor<19x?xf32>
    %bt = tensor.extract_slice %bias[%j] [%nt] [1] : tensor<23xf32> to tensor<?xf32>
    %ot = tensor.extract_slice %o[%i, %j] [%mt, %nt] [1, 1] : tensor<?x23xf32> to tensor<?x?xf32>
    %e = tensor.empty(%mt, %nt) : tensor<?x?xf32>
    %acc0 = linalg.fill ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
    %acc = scf.for %k = %c0 to %c19 step %c8 iter_args(%acc1 = %acc0) -> (tensor<?x?xf32>) {
      %kt = affine.min affine_map<(d0) -> (19 - d0, 8)>(%k)
      %ak = tensor.extract_slice %at[0, %k] [%mt, %kt] [1, 1] : tensor<?x19xf32> to tensor<?x?xf32>
      %wk = tensor.extract_slice %wt[%k, 0] [%kt, %nt] [1, 1] : tensor<19x?xf32> to tensor<?x?xf32>
      %mm = linalg.matmul ins(%ak, %wk : tensor<?x?xf32>, tensor<?x?xf32>)
          outs(%acc1 : tensor<?x?xf32>) -> tensor<?x?xf32>
      scf.yield %mm : tensor<?x?xf32>
    } {device.level = "l1"}
    %g = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
        ins(%acc, %bt : tensor<?x?xf32>, tensor<?xf32>) outs(%ot : tensor<?x?xf32>) {
    ^bb0(%x: f32, %c: f32, %old: f32):
      %s = arith.addf %x, %c : f32
      %t = arith.mulf %s, %root : f32
      %u = math.erf %t : f32
      %v = arith.addf %u, %one : f32
      %h = arith.mulf %s, %half : f32
      %q = arith.mulf %h, %v : f32
      linalg.yield %q : f32
    } -> tensor<?x?xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %g into %o[%i, %j] [%mt, %nt] [1, 1]
          : tensor<?x?xf32> into tensor<?x23xf32>
    }
  } {device.tier = "core"}
  return %r : tensor<?x23xf32>
}
}
"""

ROWS_MAPS = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
#col = affine_map<(i, j) -> (j)>
"""

_SOFTMAX_BODY = """
  %mx = linalg.generic {{indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}}
      ins({x} : {t}) outs({m0} : {v}) {{
  ^bb0(%p: f32, %q: f32):
    %1 = arith.maximumf %p, %q : f32
    linalg.yield %1 : f32
  }} -> {v}
  %ex = linalg.generic {{indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}}
      ins({x}, %mx : {t}, {v}) outs({e} : {t}) {{
  ^bb0(%p: f32, %q: f32, %old: f32):
    %1 = arith.subf %p, %q : f32
    %2 = math.exp %1 : f32
    linalg.yield %2 : f32
  }} -> {t}
  %sm = linalg.generic {{indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}}
      ins(%ex : {t}) outs({s0} : {v}) {{
  ^bb0(%p: f32, %q: f32):
    %1 = arith.addf %q, %p : f32
    linalg.yield %1 : f32
  }} -> {v}
  %y = linalg.generic {{indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%ex, %sm : {t}, {v}) outs({e} : {t}) {{
  ^bb0(%p: f32, %q: f32, %old: f32):
    %1 = arith.divf %p, %q : f32
    linalg.yield %1 : f32
  }} -> {t}
"""

SOFTMAX_TENSOR = """
func.func @main(%x: tensor<?x37xf32> {model.input = "x"}) -> (tensor<?x37xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %x, %c0 : tensor<?x37xf32>
  %e = tensor.empty(%m) : tensor<?x37xf32>
  %y = linalg.softmax dimension(1) ins(%x : tensor<?x37xf32>) outs(%e : tensor<?x37xf32>) -> tensor<?x37xf32>
  return %y : tensor<?x37xf32>
}
"""

SOFTMAX_DEVICE = (
    ROWS_MAPS
    + """
module attributes {stratagem.level = "device"} {
func.func @main(%x: tensor<?x37xf32> {model.input = "x"}) -> (tensor<?x37xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %x, %c0 : tensor<?x37xf32>
  %e = tensor.empty(%m) : tensor<?x37xf32>
  %y = func.call @softmax(%x, %e) : (tensor<?x37xf32>, tensor<?x37xf32>) -> tensor<?x37xf32>
  return %y : tensor<?x37xf32>
}
func.func private @softmax(%x: tensor<?x37xf32>, %out: tensor<?x37xf32> {device.dest}) -> tensor<?x37xf32>
    attributes {device.kernel = {class = "host", unit = "alu", function = "sequential"}} {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %out, %c0 : tensor<?x37xf32>
  %r = scf.forall (%i) = (0) to (%n) step (3) shared_outs(%o = %out) -> (tensor<?x37xf32>) {
    %mt = affine.min affine_map<(d0)[s0] -> (s0 - d0, 3)>(%i)[%n]
    %xt = tensor.extract_slice %x[%i, 0] [%mt, 37] [1, 1] : tensor<?x37xf32> to tensor<?x37xf32>
    %ot = tensor.extract_slice %o[%i, 0] [%mt, 37] [1, 1] : tensor<?x37xf32> to tensor<?x37xf32>
    %ev = tensor.empty(%mt) : tensor<?xf32>
    %m0 = linalg.fill ins(%low : f32) outs(%ev : tensor<?xf32>) -> tensor<?xf32>
    %s0 = linalg.fill ins(%zero : f32) outs(%ev : tensor<?xf32>) -> tensor<?xf32>
"""
    + _SOFTMAX_BODY.format(x="%xt", t="tensor<?x37xf32>", v="tensor<?xf32>", m0="%m0", s0="%s0", e="%ot")
    + """
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %y into %o[%i, 0] [%mt, 37] [1, 1] : tensor<?x37xf32> into tensor<?x37xf32>
    }
  } {device.tier = "core"}
  return %r : tensor<?x37xf32>
}
}
"""
)

LAYER_NORM_TENSOR = (
    ROWS_MAPS
    + """
func.func @main(%x: tensor<?x21xf32> {model.input = "x"}, %g: tensor<21xf32> {model.param = "g"})
    -> (tensor<?x21xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %count = arith.constant 21.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %c0 = arith.constant 0 : index
  %m = tensor.dim %x, %c0 : tensor<?x21xf32>
  %e = tensor.empty(%m) : tensor<?x21xf32>
  %ev = tensor.empty(%m) : tensor<?xf32>
  %s0 = linalg.fill ins(%zero : f32) outs(%ev : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.reduce ins(%x : tensor<?x21xf32>) outs(%s0 : tensor<?xf32>) dimensions = [1]
    (%a: f32, %b: f32) { %1 = arith.addf %a, %b : f32
      linalg.yield %1 : f32 }
  %sq = linalg.generic {indexing_maps = [#id, #row, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x, %sum : tensor<?x21xf32>, tensor<?xf32>) outs(%s0 : tensor<?xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %mean = arith.divf %q, %count : f32
    %d = arith.subf %p, %mean : f32
    %d2 = arith.mulf %d, %d : f32
    %1 = arith.addf %o, %d2 : f32
    linalg.yield %1 : f32
  } -> tensor<?xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #row, #col, #id],
      iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum, %sq, %g : tensor<?x21xf32>, tensor<?xf32>, tensor<?xf32>, tensor<21xf32>)
      outs(%e : tensor<?x21xf32>) {
  ^bb0(%p: f32, %q: f32, %s: f32, %w: f32, %o: f32):
    %mean = arith.divf %q, %count : f32
    %d = arith.subf %p, %mean : f32
    %var = arith.divf %s, %count : f32
    %1 = arith.addf %var, %eps : f32
    %2 = math.rsqrt %1 : f32
    %3 = arith.mulf %d, %2 : f32
    %4 = arith.mulf %3, %w : f32
    linalg.yield %4 : f32
  } -> tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}
"""
)

LAYER_NORM_DEVICE = (
    ROWS_MAPS
    + """
func.func @main(%x: tensor<?x21xf32> {model.input = "x"}, %g: tensor<21xf32> {model.param = "g"})
    -> (tensor<?x21xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %x, %c0 : tensor<?x21xf32>
  %e = tensor.empty(%m) : tensor<?x21xf32>
  %y = func.call @norm(%x, %g, %e) : (tensor<?x21xf32>, tensor<21xf32>, tensor<?x21xf32>) -> tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}
func.func private @norm(%x: tensor<?x21xf32>, %g: tensor<21xf32>, %out: tensor<?x21xf32> {device.dest})
    -> tensor<?x21xf32> attributes {device.kernel = {class = "host", unit = "alu", function = "sequential"}} {
  %zero = arith.constant 0.0 : f32
  %count = arith.constant 21.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c21 = arith.constant 21 : index
  %m = tensor.dim %x, %c0 : tensor<?x21xf32>
  %r = scf.forall (%i) = (0) to (%m) step (1) shared_outs(%o = %out) -> (tensor<?x21xf32>) {
    %xt = tensor.extract_slice %x[%i, 0] [1, 21] [1, 1] : tensor<?x21xf32> to tensor<21xf32>
    %es = tensor.empty() : tensor<f32>
    %s0 = linalg.fill ins(%zero : f32) outs(%es : tensor<f32>) -> tensor<f32>
    %sum = scf.for %k = %c0 to %c21 step %c8 iter_args(%acc = %s0) -> (tensor<f32>) {
      %kt = affine.min affine_map<(d0) -> (21 - d0, 8)>(%k)
      %xk = tensor.extract_slice %xt[%k] [%kt] [1] : tensor<21xf32> to tensor<?xf32>
      %1 = linalg.reduce {arith.addf} ins(%xk : tensor<?xf32>) outs(%acc : tensor<f32>) dimensions = [0]
      scf.yield %1 : tensor<f32>
    }
    %total = tensor.extract %sum[] : tensor<f32>
    %mean = arith.divf %total, %count : f32
    %ed = tensor.empty() : tensor<21xf32>
    %d = linalg.map ins(%xt : tensor<21xf32>) outs(%ed : tensor<21xf32>)
      (%p: f32, %old: f32) { %q = arith.subf %p, %mean : f32
        linalg.yield %q : f32 }
    %sq = linalg.dot ins(%d, %d : tensor<21xf32>, tensor<21xf32>) outs(%s0 : tensor<f32>) -> tensor<f32>
    %squares = tensor.extract %sq[] : tensor<f32>
    %var = arith.divf %squares, %count : f32
    %shifted = arith.addf %var, %eps : f32
    %scale = math.rsqrt %shifted : f32
    %y = linalg.map ins(%d, %g : tensor<21xf32>, tensor<21xf32>) outs(%ed : tensor<21xf32>)
      (%p: f32, %w: f32, %old: f32) { %1 = arith.mulf %p, %scale : f32
        %2 = arith.mulf %1, %w : f32
        linalg.yield %2 : f32 }
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %y into %o[%i, 0] [1, 21] [1, 1] : tensor<21xf32> into tensor<?x21xf32>
    }
  } {device.tier = "core"}
  return %r : tensor<?x21xf32>
}
"""
)

CONV_TENSOR = """
func.func @main(%x: tensor<1x3x15x17xf32> {model.input = "x"}, %k: tensor<5x3x3x3xf32> {model.param = "k"})
    -> (tensor<1x5x7x8xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x5x7x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x5x7x8xf32>) -> tensor<1x5x7x8xf32>
  %y = linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>}
      ins(%x, %k : tensor<1x3x15x17xf32>, tensor<5x3x3x3xf32>)
          outs(%z : tensor<1x5x7x8xf32>) -> tensor<1x5x7x8xf32>
  return %y : tensor<1x5x7x8xf32>
}
"""

CONV_DEVICE = """
func.func @main(%x: tensor<1x3x15x17xf32> {model.input = "x"}, %k: tensor<5x3x3x3xf32> {model.param = "k"})
    -> (tensor<1x5x7x8xf32> {model.output = "y"}) {
  %e = tensor.empty() : tensor<1x5x7x8xf32>
  %y = func.call @conv(%x, %k, %e)
      : (tensor<1x3x15x17xf32>, tensor<5x3x3x3xf32>, tensor<1x5x7x8xf32>) -> tensor<1x5x7x8xf32>
  return %y : tensor<1x5x7x8xf32>
}
func.func private @conv(%x: tensor<1x3x15x17xf32>, %k: tensor<5x3x3x3xf32>,
                        %out: tensor<1x5x7x8xf32> {device.dest})
    -> tensor<1x5x7x8xf32> attributes {device.kernel = {class = "host", unit = "fma", function = "conv"}} {
  %zero = arith.constant 0.0 : f32
  %r = scf.forall (%c, %h) = (0, 0) to (5, 7) step (2, 3) shared_outs(%o = %out) -> (tensor<1x5x7x8xf32>) {
    %ct = affine.min affine_map<(d0) -> (5 - d0, 2)>(%c)
    %ht = affine.min affine_map<(d0) -> (7 - d0, 3)>(%h)
    %ih = affine.apply affine_map<(d0) -> (d0 * 2)>(%h)
    %it = affine.apply affine_map<(d0) -> (d0 * 2 + 1)>(%ht)
    %xt = tensor.extract_slice %x[0, 0, %ih, 0] [1, 3, %it, 17] [1, 1, 1, 1]
        : tensor<1x3x15x17xf32> to tensor<1x3x?x17xf32>
    %kt = tensor.extract_slice %k[%c, 0, 0, 0] [%ct, 3, 3, 3] [1, 1, 1, 1]
        : tensor<5x3x3x3xf32> to tensor<?x3x3x3xf32>
    %e = tensor.empty(%ct, %ht) : tensor<1x?x?x8xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x?x?x8xf32>) -> tensor<1x?x?x8xf32>
    %y = linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>, dilations = dense<1> : tensor<2xi64>}
        ins(%xt, %kt : tensor<1x3x?x17xf32>, tensor<?x3x3x3xf32>)
            outs(%z : tensor<1x?x?x8xf32>) -> tensor<1x?x?x8xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %y into %o[0, %c, %h, 0] [1, %ct, %ht, 8] [1, 1, 1, 1]
          : tensor<1x?x?x8xf32> into tensor<1x5x7x8xf32>
    }
  } {device.tier = "core"}
  return %r : tensor<1x5x7x8xf32>
}
"""

REDUCTION_TENSOR = """
func.func @main(%x: tensor<?xf32> {model.input = "x"}) -> (tensor<f32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<f32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
  %y = linalg.reduce {arith.addf} ins(%x : tensor<?xf32>) outs(%z : tensor<f32>) dimensions = [0]
  return %y : tensor<f32>
}
"""

REDUCTION_DEVICE = """
func.func @main(%x: tensor<?xf32> {model.input = "x"}) -> (tensor<f32> {model.output = "y"}) {
  %e = tensor.empty() : tensor<f32>
  %y = func.call @sum(%x, %e) : (tensor<?xf32>, tensor<f32>) -> tensor<f32>
  return %y : tensor<f32>
}
func.func private @sum(%x: tensor<?xf32>, %out: tensor<f32> {device.dest}) -> tensor<f32>
    attributes {device.kernel = {class = "host", unit = "alu", function = "sequential"}} {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %parts = affine.apply affine_map<()[s0] -> (s0 ceildiv 16)>()[%n]
  %e = tensor.empty(%parts) : tensor<?xf32>
  %partial = scf.forall (%i) = (0) to (%parts) step (1) shared_outs(%o = %e) -> (tensor<?xf32>) {
    %at = affine.apply affine_map<(d0) -> (d0 * 16)>(%i)
    %size = affine.min affine_map<(d0)[s0] -> (s0 - d0, 16)>(%at)[%n]
    %xt = tensor.extract_slice %x[%at] [%size] [1] : tensor<?xf32> to tensor<?xf32>
    %es = tensor.empty() : tensor<f32>
    %z = linalg.fill ins(%zero : f32) outs(%es : tensor<f32>) -> tensor<f32>
    %s = linalg.reduce {arith.addf} ins(%xt : tensor<?xf32>) outs(%z : tensor<f32>) dimensions = [0]
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %s into %o[%i] [1] [1] : tensor<f32> into tensor<?xf32>
    }
  } {device.tier = "core"}
  %r = scf.forall (%u) = (0) to (1) step (1) shared_outs(%o = %out) -> (tensor<f32>) {
    %z = linalg.fill ins(%zero : f32) outs(%o : tensor<f32>) -> tensor<f32>
    %s = linalg.reduce {arith.addf} ins(%partial : tensor<?xf32>) outs(%z : tensor<f32>) dimensions = [0]
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %s into %o[] [] [] : tensor<f32> into tensor<f32>
    }
  } {device.tier = "core"}
  return %r : tensor<f32>
}
"""

MATVEC_TENSOR = """
func.func @main(%a: tensor<?x24xf32> {model.param = "a"}, %x: tensor<24xf32> {model.input = "x"})
    -> (tensor<?xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %m = tensor.dim %a, %c0 : tensor<?x24xf32>
  %e = tensor.empty(%m) : tensor<?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %y = linalg.matvec ins(%a, %x : tensor<?x24xf32>, tensor<24xf32>) outs(%z : tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
"""

MATVEC_DEVICE = """
func.func @main(%a: tensor<?x24xf32> {model.param = "a"}, %x: tensor<24xf32> {model.input = "x"})
    -> (tensor<?xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %a, %c0 : tensor<?x24xf32>
  %e = tensor.empty(%m) : tensor<?xf32>
  %y = func.call @matvec(%a, %x, %e) : (tensor<?x24xf32>, tensor<24xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
func.func private @matvec(%a: tensor<?x24xf32>, %x: tensor<24xf32>, %out: tensor<?xf32> {device.dest})
    -> tensor<?xf32>
    attributes {device.kernel = {class = "near-memory", unit = "alu", function = "matvec"}} {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c24 = arith.constant 24 : index
  %m = tensor.dim %a, %c0 : tensor<?x24xf32>
  %r = scf.forall (%d) = (0) to (%m) step (16) shared_outs(%o = %out) -> (tensor<?xf32>) {
    %rows = affine.min affine_map<(d0)[s0] -> (s0 - d0, 16)>(%d)[%m]
    %ad = tensor.extract_slice %a[%d, 0] [%rows, 24] [1, 1] : tensor<?x24xf32> to tensor<?x24xf32>
    %od = tensor.extract_slice %o[%d] [%rows] [1] : tensor<?xf32> to tensor<?xf32>
    %rd = scf.forall (%t) = (0) to (%rows) step (3) shared_outs(%p = %od) -> (tensor<?xf32>) {
      %rt = affine.min affine_map<(d0)[s0] -> (s0 - d0, 3)>(%t)[%rows]
      %et = tensor.empty(%rt) : tensor<?xf32>
      %z = linalg.fill ins(%zero : f32) outs(%et : tensor<?xf32>) -> tensor<?xf32>
      %acc = scf.for %k = %c0 to %c24 step %c8 iter_args(%s = %z) -> (tensor<?xf32>) {
        %at = tensor.extract_slice %ad[%t, %k] [%rt, 8] [1, 1] {device.stage = "wram"}
            : tensor<?x24xf32> to tensor<?x8xf32>
        %xt = tensor.extract_slice %x[%k] [8] [1] {device.stage = "wram"} : tensor<24xf32> to tensor<8xf32>
        %1 = linalg.matvec ins(%at, %xt : tensor<?x8xf32>, tensor<8xf32>)
            outs(%s : tensor<?xf32>) -> tensor<?xf32>
        scf.yield %1 : tensor<?xf32>
      } {device.level = "wram"}
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %acc into %p[%t] [%rt] [1] : tensor<?xf32> into tensor<?xf32>
      }
    } {device.tier = "tasklet"}
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %rd into %o[%d] [%rows] [1] : tensor<?xf32> into tensor<?xf32>
    }
  } {device.tier = "dpu"}
  return %r : tensor<?xf32>
}
"""
