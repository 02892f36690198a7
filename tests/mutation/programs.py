"""Tensor-level programs that only the mutation harness needs; the others are those of the unit tests."""

from __future__ import annotations

LAYER_NORM = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
#column = affine_map<(i, j) -> (j)>
func.func @main(%x: tensor<?x21xf32> {model.input = "x"}, %g: tensor<21xf32> {model.param = "g"},
                %b: tensor<21xf32> {model.param = "b"}) -> (tensor<?x21xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %count = arith.constant 21.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %c0 = arith.constant 0 : index
  %m = tensor.dim %x, %c0 : tensor<?x21xf32>
  %e = tensor.empty(%m) : tensor<?x21xf32>
  %v = tensor.empty(%m) : tensor<?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%v : tensor<?xf32>) -> tensor<?xf32>
  %s = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x21xf32>) outs(%z : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %1 = arith.addf %a, %o : f32
    linalg.yield %1 : f32
  } -> tensor<?xf32>
  %c = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<?x21xf32>, tensor<?xf32>) outs(%e : tensor<?x21xf32>) {
  ^bb0(%a: f32, %t: f32, %o: f32):
    %1 = arith.divf %t, %count : f32
    %2 = arith.subf %a, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<?x21xf32>
  %q = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%c : tensor<?x21xf32>) outs(%z : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %1 = arith.mulf %a, %a : f32
    %2 = arith.addf %1, %o : f32
    linalg.yield %2 : f32
  } -> tensor<?xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #column, #column, #id], iterator_types = ["parallel", "parallel"]}
      ins(%c, %q, %g, %b : tensor<?x21xf32>, tensor<?xf32>, tensor<21xf32>, tensor<21xf32>)
      outs(%e : tensor<?x21xf32>) {
  ^bb0(%a: f32, %t: f32, %scale: f32, %shift: f32, %o: f32):
    %1 = arith.divf %t, %count : f32
    %2 = arith.addf %1, %eps : f32
    %3 = math.rsqrt %2 : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.mulf %4, %scale : f32
    %6 = arith.addf %5, %shift : f32
    linalg.yield %6 : f32
  } -> tensor<?x21xf32>
  return %y : tensor<?x21xf32>
}"""

FOLDED = """
#id = affine_map<(i, j) -> (i, j)>
#column = affine_map<(i, j) -> (j)>
#one = affine_map<(i) -> (i)>
func.func @main(%x: tensor<5x13xf32> {model.input = "x"}, %w: tensor<7x13xf32> {model.param = "w"},
                %g: tensor<7xf32> {model.param = "g"}, %v: tensor<7xf32> {model.param = "v"})
    -> (tensor<5x7xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %two = arith.constant 2.0 : f32
  %te = tensor.empty() : tensor<13x7xf32>
  %wt = linalg.transpose ins(%w : tensor<7x13xf32>) outs(%te : tensor<13x7xf32>) permutation = [1, 0]
  %se = tensor.empty() : tensor<7xf32>
  %scale = linalg.generic {indexing_maps = [#one, #one, #one], iterator_types = ["parallel"]}
      ins(%g, %v : tensor<7xf32>, tensor<7xf32>) outs(%se : tensor<7xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = math.absf %b : f32
    %t = arith.addf %s, %two : f32
    %r = arith.divf %a, %t : f32
    linalg.yield %r : f32
  } -> tensor<7xf32>
  %e = tensor.empty() : tensor<5x7xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<5x7xf32>) -> tensor<5x7xf32>
  %m = linalg.matmul ins(%x, %wt : tensor<5x13xf32>, tensor<13x7xf32>) outs(%f : tensor<5x7xf32>) -> tensor<5x7xf32>
  %y = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel"]}
      ins(%m, %scale : tensor<5x7xf32>, tensor<7xf32>) outs(%e : tensor<5x7xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.mulf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<5x7xf32>
  return %y : tensor<5x7xf32>
}"""

PACKED = """
func.func @main(%x: tensor<3x24xf32> {model.input = "x"}, %w: tensor<24x128xf32> {model.param = "w"})
    -> (tensor<3x128xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x128xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x128xf32>) -> tensor<3x128xf32>
  %y = linalg.matmul ins(%x, %w : tensor<3x24xf32>, tensor<24x128xf32>) outs(%f : tensor<3x128xf32>)
    -> tensor<3x128xf32>
  return %y : tensor<3x128xf32>
}"""

RECURRENCE = """
#id = affine_map<(i, j) -> (i, j)>
func.func @main(%x: tensor<4x2x5xf32> {model.input = "x"}, %w: tensor<5x5xf32> {model.param = "w"})
    -> (tensor<2x5xf32> {model.output = "h"}) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %e = tensor.empty() : tensor<2x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x5xf32>) -> tensor<2x5xf32>
  %h = scf.for %t = %c0 to %c4 step %c1 iter_args(%s = %f) -> tensor<2x5xf32> {
    %xt = tensor.extract_slice %x[%t, 0, 0] [1, 2, 5] [1, 1, 1] : tensor<4x2x5xf32> to tensor<2x5xf32>
    %m = linalg.matmul ins(%s, %w : tensor<2x5xf32>, tensor<5x5xf32>) outs(%f : tensor<2x5xf32>) -> tensor<2x5xf32>
    %n = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%m, %xt : tensor<2x5xf32>, tensor<2x5xf32>) outs(%e : tensor<2x5xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %p = arith.addf %a, %b : f32
      %q = math.tanh %p : f32
      linalg.yield %q : f32
    } -> tensor<2x5xf32>
    scf.yield %n : tensor<2x5xf32>
  }
  return %h : tensor<2x5xf32>
}"""

SAME_SIZES = """
#one = affine_map<(i) -> (i)>
func.func @main(%x: tensor<?xf32> {model.input = "x"}, %y: tensor<?xf32> {model.input = "y"})
    -> (tensor<?xf32> {model.output = "z"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %m = tensor.dim %y, %c0 : tensor<?xf32>
  %fits = arith.cmpi sle, %n, %m : index
  cf.assert %fits, "y is shorter than x"
  %part = tensor.extract_slice %y[0] [%n] [1] : tensor<?xf32> to tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  %z = linalg.generic {indexing_maps = [#one, #one, #one], iterator_types = ["parallel"]}
      ins(%x, %part : tensor<?xf32>, tensor<?xf32>) outs(%e : tensor<?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.subf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  return %z : tensor<?xf32>
}"""

WHOLE_NUMBERS = """
#one = affine_map<(i) -> (i)>
func.func @main(%x: tensor<29xi32> {model.input = "x"}, %y: tensor<29xi8> {model.input = "y"})
    -> (tensor<29xi32> {model.output = "z"}, tensor<29xi1> {model.output = "small"}) {
  %three = arith.constant 3 : i32
  %e = tensor.empty() : tensor<29xi32>
  %b = tensor.empty() : tensor<29xi1>
  %z:2 = linalg.generic {indexing_maps = [#one, #one, #one, #one], iterator_types = ["parallel"]}
      ins(%x, %y : tensor<29xi32>, tensor<29xi8>) outs(%e, %b : tensor<29xi32>, tensor<29xi1>) {
  ^bb0(%a: i32, %c: i8, %o: i32, %p: i1):
    %w = arith.extsi %c : i8 to i32
    %s = arith.muli %w, %three : i32
    %d = arith.subi %a, %s : i32
    %k = arith.cmpi slt, %d, %w : i32
    %r = arith.select %k, %d, %w : i32
    linalg.yield %r, %k : i32, i1
  } -> (tensor<29xi32>, tensor<29xi1>)
  return %z#0, %z#1 : tensor<29xi32>, tensor<29xi1>
}"""


def product(dtype: str, m: int, k: int, n: int) -> str:
    """A product with sums in f32, a bias and a ReLU, rounded to `dtype`."""
    a, b, c, f = (
        f"tensor<{m}x{k}x{dtype}>",
        f"tensor<{k}x{n}x{dtype}>",
        f"tensor<{m}x{n}x{dtype}>",
        f"tensor<{m}x{n}xf32>",
    )
    return f"""
#a = affine_map<(i, j, k) -> (i, k)>
#b = affine_map<(i, j, k) -> (k, j)>
#c = affine_map<(i, j, k) -> (i, j)>
#id = affine_map<(i, j) -> (i, j)>
#column = affine_map<(i, j) -> (j)>
func.func @main(%x: {a} {{model.input = "x"}}, %w: {b} {{model.param = "w"}}, %t: tensor<{n}xf32> {{model.param = "t"}})
    -> ({c} {{model.output = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  %fe = tensor.empty() : {f}
  %e = tensor.empty() : {c}
  %z = linalg.fill ins(%zero : f32) outs(%fe : {f}) -> {f}
  %p = linalg.generic {{indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}}
      ins(%x, %w : {a}, {b}) outs(%z : {f}) {{
  ^bb0(%u: {dtype}, %v: {dtype}, %o: f32):
    %1 = arith.extf %u : {dtype} to f32
    %2 = arith.extf %v : {dtype} to f32
    %3 = arith.mulf %1, %2 : f32
    %4 = arith.addf %o, %3 : f32
    linalg.yield %4 : f32
  }} -> {f}
  %y = linalg.generic {{indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%p, %t : {f}, tensor<{n}xf32>) outs(%e : {c}) {{
  ^bb0(%u: f32, %v: f32, %o: {dtype}):
    %1 = arith.addf %u, %v : f32
    %2 = arith.maximumf %1, %zero : f32
    %3 = arith.truncf %2 : f32 to {dtype}
    linalg.yield %3 : {dtype}
  }} -> {c}
  return %y : {c}
}}"""
